package node

import (
	"errors"
	"io/fs"
	"os"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
)

// maintenanceFile has what the failover core wants to know after a restart.
const maintenanceFile = "maintenance"

// keep writes that, and says what came of it. Of two that are under way the one that was asked for last stays.
func (n *Node) keep(id uint64, text string) {
	in := failover.Input{Kind: failover.Kept, ID: id}
	if err := n.identity.keep(id, text); err != nil {
		in.Failed, in.Text = true, err.Error()
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}

func (id *identity) keep(number uint64, text string) error {
	id.keeping.Lock()
	defer id.keeping.Unlock()
	if number < id.newest {
		return nil
	}
	id.newest = number
	return writeDurably(id.path(maintenanceFile), []byte(text+"\n"))
}

func (id *identity) readKept() error {
	text, err := os.ReadFile(id.path(maintenanceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id.kept = string(text)
	return nil
}
