package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
)

// What the cores want done, and what happens to them, in words.
var (
	effects = map[machine.Part]map[uint8]string{
		machine.Replica: {
			uint8(replica.Dial): "dial", uint8(replica.Hangup): "hang up", uint8(replica.Send): "send",
			uint8(replica.Read): "read", uint8(replica.Write): "write", uint8(replica.Zero): "zero",
			uint8(replica.Trim): "trim", uint8(replica.Flush): "flush", uint8(replica.MetaRead): "read metadata",
			uint8(replica.MetaWrite): "write metadata", uint8(replica.Complete): "answer a user",
			uint8(replica.Free): "free a buffer", uint8(replica.Answer): "answer an order",
			uint8(replica.Expose): "show the device", uint8(replica.Withdraw): "withdraw the device",
			uint8(replica.Changed): "state", uint8(replica.CloseDisk): "close the disk", uint8(replica.Broken): "freeze",
			uint8(replica.Digest): "digest", uint8(replica.Call): "call a handler", uint8(replica.Decided): "decision",
		},
		machine.Liveness: {
			uint8(liveness.Transmit): "send", uint8(liveness.Heard): "message", uint8(liveness.PeerUp): "peer up",
			uint8(liveness.PeerLate): "peer late", uint8(liveness.PeerDied): "peer died",
			uint8(liveness.PeerHealed): "peer healed", uint8(liveness.CommsUp): "communication up",
			uint8(liveness.Drain): "drain", uint8(liveness.Note): "note",
		},
		machine.Failover: {
			uint8(failover.Do): "do", uint8(failover.Say): "say", uint8(failover.Answer): "answer an order",
			uint8(failover.Note): "note", uint8(failover.Held): "held", uint8(failover.Left): "left",
			uint8(failover.Fence): "fence", uint8(failover.Decided): "decision", uint8(failover.Keep): "keep",
		},
		machine.Lease: {
			uint8(witness.AskWitness): "ask the witness", uint8(witness.AskPeer): "ask the peer",
			uint8(witness.AnswerPeer): "answer the peer", uint8(witness.Note): "note",
		},
	}
	inputs = map[machine.Part]map[uint8]string{
		machine.Replica: {
			uint8(replica.Tick): "tick", uint8(replica.LinkUp): "link up", uint8(replica.LinkDown): "link down",
			uint8(replica.BadPacket): "bad packet", uint8(replica.DiskDone): "the disk's answer",
			uint8(replica.MetaDone): "the metadata's answer", uint8(replica.Request): "a user's request",
			uint8(replica.DeviceDone): "the device's answer", uint8(replica.Digested): "a digest",
			uint8(replica.Called): "a handler's answer",
		},
		machine.Liveness: {
			uint8(liveness.Start): "start", uint8(liveness.Tick): "tick", uint8(liveness.Datagram): "datagram",
			uint8(liveness.Say): "message to send",
		},
		machine.Failover: {
			uint8(failover.Started): "start", uint8(failover.Tick): "tick", uint8(failover.Message): "message",
			uint8(failover.Order): "order", uint8(failover.Done): "a program's answer",
			uint8(failover.Poke): "something changed", uint8(failover.Fenced): "the fencing device's answer",
			uint8(failover.Kept): "it is kept",
		},
		machine.Lease: {
			uint8(witness.Tick): "tick", uint8(witness.Answered): "the witness's answer",
			uint8(witness.PeerAsks): "the peer's question", uint8(witness.PeerAnswered): "the peer's answer",
			uint8(witness.Reached): "the witness is reached, or not",
		},
	}
	cores = map[machine.Part]string{
		machine.Replica: "replica", machine.Liveness: "liveness", machine.Failover: "failover", machine.Lease: "lease",
	}
)

// word is a name of a table, or the number.
func word(table map[machine.Part]map[uint8]string, part machine.Part, kind uint8) string {
	name := table[part][kind]
	if name == "" {
		name = fmt.Sprintf("number %d", kind)
	}
	return cores[part] + ": " + name
}

// String says it in a few lines.
func (p *Parting) String() string {
	var did []journal.Did
	var now []string
	for i := range p.Effects {
		e := &p.Effects[i]
		did = append(did, journal.DidOf(e))
		text := names(did[i:])
		if tells := told(e); tells != "" {
			text += " (" + tells + ")"
		}
		now = append(now, text)
	}
	if len(now) == 0 {
		now = []string{"nothing"}
	}
	same := ""
	if slices.Equal(did, p.Recorded) {
		same = ", with other contents"
	}
	return fmt.Sprintf("at %v, input %d: %s\n  recorded: %s\n  now:      %s%s", p.At, p.Entry, describeInput(&p.Input),
		names(p.Recorded), strings.Join(now, "; "), same)
}

func names(did []journal.Did) string {
	var out []string
	for _, d := range did {
		out = append(out, word(effects, d.Part, d.Kind))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

func describeInput(in *machine.Input) string {
	switch in.Part {
	case machine.Replica:
		switch r := &in.Replica; r.Kind {
		case replica.Packet:
			return fmt.Sprintf("resource %d, packet %v", in.Resource, r.Command)
		case replica.Order:
			return fmt.Sprintf("resource %d, order %v", in.Resource, r.Order)
		default:
			return fmt.Sprintf("resource %d, %s", in.Resource, word(inputs, in.Part, uint8(r.Kind)))
		}
	case machine.Liveness:
		return word(inputs, in.Part, uint8(in.Liveness.Kind))
	case machine.Failover:
		return word(inputs, in.Part, uint8(in.Failover.Kind))
	case machine.Lease:
		return word(inputs, in.Part, uint8(in.Lease.Kind))
	default:
		return "a tick"
	}
}
