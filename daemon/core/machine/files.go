package machine

import (
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Both nodes must have the same drbd.conf and haresources, and nobody compares
// them before a failover goes wrong. So each tells the other what it has, when
// it hears of it. A real Heartbeat ignores the message.

// msgFiles is its type, and the fields are the digests.
const (
	msgFiles       = "pollux_files"
	fieldDRBD      = "drbdconf"
	fieldResources = "haresources"
)

// Files are digests of the files that both nodes must have the same of; "" is
// one that is not known.
type Files struct{ DRBD, Resources string }

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

// heardFiles takes the peer's message; the own one comes back as well.
func (m *Machine) heardFiles(e liveness.Effect) bool {
	if e.Message.Text(hbwire.FieldType) != msgFiles {
		return false
	}
	if !e.Own {
		m.peerFiles = Files{DRBD: e.Message.Text(fieldDRBD), Resources: e.Message.Text(fieldResources)}
	}
	return true
}
