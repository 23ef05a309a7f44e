package machine

import (
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Both nodes must have the same drbd.conf and haresources, and nobody compares
// them before a failover goes wrong. So each tells the other what it has, when
// it hears of it. A real Heartbeat ignores the messages.

// msgFiles is the type of one, and its fields are the digests. Files of guests
// change while the daemon runs: msgGuests is the shell's to send.
const (
	msgFiles       = "pollux_files"
	fieldDRBD      = "drbdconf"
	fieldResources = "haresources"

	msgGuests   = "pollux_guests"
	fieldGuests = "guests"
)

// Files are digests of the files that both nodes must have the same of; "" is
// one that is not known.
type Files struct {
	DRBD, Resources string
	// Guests is known of the peer alone; see SayGuests.
	Guests string
}

// SayGuests is the input that tells the peer the digest of the guests' files:
// when it changes, and when the peer has come up.
func SayGuests(digest string) liveness.Input {
	return liveness.Input{Kind: liveness.Say, Message: hbwire.Message{
		hbwire.Text(hbwire.FieldType, msgGuests), hbwire.Text(fieldGuests, digest),
	}}
}

func (m *Machine) sayFiles() {
	if m.cfg.Files == (Files{}) {
		return
	}
	m.queue = append(m.queue, Input{Part: Liveness, Liveness: liveness.Input{
		Kind: liveness.Say, Message: hbwire.Message{
			hbwire.Text(hbwire.FieldType, msgFiles),
			hbwire.Text(fieldDRBD, m.cfg.Files.DRBD),
			hbwire.Text(fieldResources, m.cfg.Files.Resources),
		},
	}})
}

// MsgShell is the type of what the shells of two nodes tell each other: no core
// knows more of it. A real Heartbeat ignores it.
const MsgShell = "pollux_shell"

// heardForShell hands the shell what its peer's has said, as liveness.Heard.
func (m *Machine) heardForShell(e liveness.Effect) bool {
	if e.Message.Text(hbwire.FieldType) != MsgShell {
		return false
	}
	if !e.Own {
		m.out = append(m.out, Effect{Part: Liveness, Liveness: e})
	}
	return true
}

// heardFiles takes the peer's messages; the own ones come back as well.
func (m *Machine) heardFiles(e liveness.Effect) bool {
	switch kind := e.Message.Text(hbwire.FieldType); {
	case kind != msgFiles && kind != msgGuests:
		return false
	case e.Own:
	case kind == msgGuests:
		m.peerFiles.Guests = e.Message.Text(fieldGuests)
	default:
		m.peerFiles.DRBD, m.peerFiles.Resources = e.Message.Text(fieldDRBD), e.Message.Text(fieldResources)
	}
	return true
}
