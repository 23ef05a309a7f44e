package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A device of the kernel's outlives the daemon. When the daemon of a Primary
// was killed, the next one finds the device there, with users whose requests
// wait and will be sent again to whoever goes on with it. What becomes of it:
//
//   - Nothing at first. It stays as it is, and its users wait, up to the dead
//     time of the driver.
//   - This node orders itself to be Primary again, without force: the core
//     refuses while it can't be sure that no newer data is elsewhere. Once
//     promoted, by this order or anybody's, the node goes on with the device.
//     The log of the last daemon has been replayed by then, so that what is
//     sent again meets blocks that are marked as different from the peer's.
//   - If instead the peer is Primary, or this node's data is older than the
//     peer's, the device is removed, and its users get errors. What they had
//     under way was meant for other data than there is now: it must never reach
//     the disk. That also holds for a node that was Primary as the target of a
//     resync, whose users might have waited for its end: this can't be told
//     apart from a peer that was Primary meanwhile.
//
// On a node with ha.cf this comes before anything is looked at or said to the
// peer, for silence at most: a group that still runs should be found whole, and not
// be taken over meanwhile.
//
// An upgrade in place is the same, except that requests are answered and the
// node is demoted before the program is replaced, so that nothing is sent again
// and no log is replayed. And who was Primary with good data a moment ago may
// promote itself by force if the peer can't be asked.

// ErrUpgrade ends the context of Run so that another program goes on with the
// devices, whose users only wait: see Sockets.
var ErrUpgrade = errors.New("the program is replaced")

const (
	resumeTime = 10 * time.Second // see silence
	resumeEach = 250 * time.Millisecond
	// askTime is how long the peer is waited for after an upgrade, beyond the
	// ping-timeout that finding it may take.
	askTime = 3 * time.Second
	// drainTime is how long requests may take to be answered before an upgrade,
	// and then the demotion.
	drainTime = 20 * time.Second
)

// resume promotes the resources again whose users wait, however long the peer
// must be waited for. A node with ha.cf first gives that some time, and begins
// without it then.
func (n *Node) resume(ctx context.Context) {
	var all sync.WaitGroup
	for _, d := range n.devices {
		all.Add(1)
		n.working.Go(func() {
			defer all.Done()
			d.resume(n.ctx)
		})
	}
	if n.site.HA == nil {
		return
	}
	done := make(chan struct{})
	n.working.Go(func() {
		all.Wait()
		close(done)
	})
	limit := time.NewTimer(silence(n.site.HA.Deadtime))
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// silence bounds how long a node with ha.cf says nothing after its start. The peer has
// not heard it since the last daemon died, and takes its groups over after deadtime.
func silence(deadtime time.Duration) time.Duration { return min(resumeTime, deadtime/3) }

func (d *device) resume(ctx context.Context) {
	if d.kernel == nil {
		return
	}
	ticks := time.NewTicker(resumeEach)
	defer ticks.Stop()
	said := ""
	alone := time.Now().Add(askTime + d.conf.Conf.Net.PingTimeout)
	for d.kernel.Waiting() {
		force := d.upgraded && time.Now().After(alone) && d.isConsistent()
		a := d.node.orderContext(ctx, d.index, replica.OrderPrimary, force)
		if a.OK {
			return
		}
		transient := drbdwire.Code(a.Code) == drbdwire.InTransientState || ctx.Err() != nil
		if text := a.Text; text != said && !transient {
			said = text
			d.tell("users of the device wait: not promoted: " + text)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// isConsistent tells whether the data is good, and only the peer, who is not
// there, could tell whether there is newer.
func (d *device) isConsistent() bool {
	s := d.state()
	return s.Disk == drbdwire.Consistent && s.Conn < drbdwire.Connected
}

func (d *device) isPrimary() bool { return d.state().Role == drbdwire.Primary }

// state must not be called by the loop.
func (d *device) state() (s drbdwire.State) {
	d.node.ask(func(m *machine.Machine) { s = m.State(d.index) })
	return s
}

// abandonStale removes the device that the last daemon left if its users may
// not go on. It must be called by the loop.
func (d *device) abandonStale() {
	if d.kernel == nil || !isStale(d.node.machine.State(d.index)) {
		return
	}
	d.node.working.Go(func() {
		if err := d.kernel.Abandon(); err != nil {
			d.node.log.Error("stale device", "resource", d.conf.Conf.Name, "error", err)
		}
	})
}

// isStale tells whether the peer has, or may have, changed what the users of
// this node's device last saw.
func isStale(s drbdwire.State) bool {
	if s.Role == drbdwire.Primary {
		return false
	}
	switch s.Conn {
	case drbdwire.StartingSyncT, drbdwire.WFBitMapT, drbdwire.WFSyncUUID, drbdwire.SyncTarget, drbdwire.PausedSyncT:
		return true
	default:
		return s.Peer == drbdwire.Primary || s.Disk == drbdwire.Outdated
	}
}

// MayUpgrade tells why the program can't be replaced now: clients of a socket
// would lose their connection.
func (n *Node) MayUpgrade() error {
	for _, d := range n.devices {
		if d.kernel == nil && d.front.Users() > 0 {
			return fmt.Errorf("resource %s: the device is in use by %s, over a socket that can't be passed on",
				d.conf.Conf.Name, d.front.Holder())
		}
	}
	return nil
}

// Sockets are those of the devices, by resource, for the Options.Inherited of
// the next program. They are there once Run has ended by ErrUpgrade.
func (n *Node) Sockets() map[string]*os.File { return n.sockets }

// handOver answers all requests, demotes, and writes everything down, while
// the users and the peer's cluster notice nothing but a pause. What fails is
// left to the next program to recover, as after a crash.
func (n *Node) handOver() error {
	ctx, cancel := context.WithTimeout(n.ctx, drainTime)
	defer cancel()
	n.sockets = map[string]*os.File{}
	var errs []error
	for _, d := range n.devices {
		if d.kernel == nil || !d.isPrimary() {
			continue
		}
		socket, err := d.kernel.Handover(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n.sockets[d.conf.Conf.Name] = socket
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := n.shut(ctx); err != nil {
		return err
	}
	return n.identity.endCleanly()
}
