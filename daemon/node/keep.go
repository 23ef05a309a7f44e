package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
)

// What the failover core wants to know after a restart: what it asked to keep, and when groups began to go back to the
// peer last, as Unix time in seconds.
const (
	maintenanceFile = "maintenance"
	failbackFile    = "failback"
)

// keep writes down what the failover core asked for, and says what came of it.
func (n *Node) keep(id uint64, write func() error) {
	in := failover.Input{Kind: failover.Kept, ID: id}
	if err := write(); err != nil {
		in.Failed, in.Text = true, err.Error()
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}

// keep writes a text. Of two that are under way the one that was asked for last stays.
func (id *identity) keep(number uint64, text string) error {
	id.keeping.Lock()
	defer id.keeping.Unlock()
	if number < id.newest {
		return nil
	}
	id.newest = number
	return writeDurably(id.path(maintenanceFile), []byte(text+"\n"))
}

func (id *identity) keepFailback(at time.Time) error {
	return writeDurably(id.path(failbackFile), fmt.Appendf(nil, "%d\n", at.Unix()))
}

func (id *identity) readKept() error {
	text, err := os.ReadFile(id.path(maintenanceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id.kept = string(text)
	if text, err = os.ReadFile(id.path(failbackFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if at, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
		id.wentBack = time.Unix(at, 0)
	}
	return nil
}

// sinceFailback is how long ago groups began to go back last; 0: they never did. A clock that was set back since does
// not shorten the wait, and lengthens it by no more than a period.
func (id *identity) sinceFailback(now time.Time) time.Duration {
	if id.wentBack.IsZero() {
		return 0
	}
	return max(now.Sub(id.wentBack), 1)
}
