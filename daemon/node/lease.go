package node

import "github.com/optionc/pollux/daemon/core/witness"

func (n *Node) performLease(e *witness.Effect) {
	switch e.Kind {
	case witness.Note:
		n.tell("%s", e.Text)
	case witness.AskWitness, witness.AskPeer, witness.AnswerPeer:
	}
}
