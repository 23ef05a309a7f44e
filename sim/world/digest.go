package world

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// digest answers what the core asks of a payload: its versions are its content,
// where payloads are bytes, too: no two versions have the same.
func (n *Node) digest(e *replica.Effect) {
	row := n.rows.get(e.Buf)
	if len(row)*sectorSize != int(e.Size) {
		n.w.Fail("12: payloads fit their requests", "a digest of %d bytes with %d sectors of payload", e.Size, len(row))
		return
	}
	q := n.w.spare.questions.take()
	if q == nil {
		q = &question{}
		q.end = q.ends
	}
	q.node, q.id, q.alg, q.row, q.epoch = n, e.ID, e.Text, row, n.epoch
	n.w.After(n.w.luck.disk.Between(5*time.Microsecond, 500*time.Microsecond), q.end)
}

// question is what the core wants to know of a payload.
type question struct {
	node  *Node
	id    uint64
	alg   string
	row   []uint64
	epoch uint32
	end   func()
	sum   []byte // memory for the answer
}

func (q *question) ends() {
	n := q.node
	if n.epoch == q.epoch {
		q.sum = n.digestOf(q.sum[:0], q.alg, q.row)
		n.deliver(replica.Input{Kind: replica.Digested, ID: q.id, Data: q.sum})
	}
	q.row = nil
	if n.paused {
		q.sum = nil // the node has it still to look at
	}
	n.w.spare.questions.give(q)
}

// digestOf appends the digest of a payload.
func (n *Node) digestOf(dst []byte, alg string, row []uint64) []byte {
	if alg == replica.AllZero {
		if slices.ContainsFunc(row, func(version uint64) bool { return version != 0 }) {
			return append(dst, 0)
		}
		return append(dst, 1)
	}
	content := n.content[:0]
	for _, version := range row {
		content = binary.LittleEndian.AppendUint64(content, version)
	}
	n.content = content
	sum, err := drbdwire.AppendDigest(dst, alg, content)
	if err != nil {
		n.w.Fail("the configuration works", "%v", err)
	}
	return sum
}
