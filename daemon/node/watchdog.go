package node

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/watchdog"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// Bounds of a watchdog's work.
const (
	// shortestWatch is the shortest timeout: a busy machine must not be reset.
	shortestWatch = 5 * time.Second
	// longestPause is the longest time between two kicks.
	longestPause = time.Second
)

// takenOver is after how long the other node may run the groups of one that hangs.
func takenOver(ha *haconf.HA) time.Duration {
	if ha.Policy == haconf.PolicyWitness {
		return ha.Lease
	}
	return ha.Deadtime
}

// watchTimeout is after how long a node that hangs is reset: before it is taken
// over, if the device can.
func watchTimeout(ha *haconf.HA) time.Duration {
	return max(takenOver(ha)/2, shortestWatch).Truncate(time.Second)
}

// late warns of a device that resets a node which hangs when that is too late. 0
// is not known.
func late(ha *haconf.HA, timeout time.Duration) string {
	if until := takenOver(ha); timeout >= until {
		return fmt.Sprintf("the watchdog resets this machine after %s, and the other node may start what runs here after %s",
			timeout, until)
	}
	return ""
}

// startWatch opens the watchdog of ha.cf, if there is one. A node that can't goes
// on without, and says so.
func (n *Node) startWatch() *watchdog.Dog {
	if n.site.HA == nil || n.site.HA.Watchdog == "" {
		return nil
	}
	timeout := watchTimeout(n.site.HA)
	dog, err := watchdog.Open(n.site.HA.Watchdog, timeout)
	if err != nil {
		n.log.Error("this node runs without its watchdog", "error", err)
		n.unwatched.Store("there is no watchdog: " + err.Error())
		return nil
	}
	if dog.Timeout > 0 {
		timeout = dog.Timeout
	}
	n.log.Info("watchdog", "device", n.site.HA.Watchdog, "timeout", timeout)
	if why := late(n.site.HA, dog.Timeout); why != "" {
		n.log.Warn(why)
		n.unwatched.Store(why)
	}
	n.working.Go(func() { n.keepWatch(dog, min(timeout/4, longestPause)) })
	return dog
}

// keepWatch kicks the watchdog for as long as the loop lives, the machine can be
// stepped, and nothing runs here for which the lease has ended.
func (n *Node) keepWatch(dog *watchdog.Dog, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	said := ""
	for seen := n.rounds.Load(); ; {
		nudge(n.inbox.signal)
		select {
		case <-n.ctx.Done():
			return
		case <-ticks.C:
		}
		now, why := n.rounds.Load(), ""
		n.ask(func(m *machine.Machine) {
			status := m.Status()
			why = overdue(&status, n.site.HA.Policy, n.now())
		})
		if now == seen {
			why = "the daemon's loop does not go on"
		}
		if seen = now; why == "" {
			if err := dog.Kick(); err != nil {
				why = err.Error()
			}
		}
		if why != said {
			said = why
			text := "watchdog: it is kicked again"
			if why != "" {
				text = "watchdog: it is not kicked, and resets this machine soon: " + why
			}
			n.tell("%s", text)
			n.history.note(text)
		}
	}
}

// overdue says what may run here though the lease that this node had of it has
// ended.
func overdue(s *machine.Status, policy string, now time.Duration) string {
	if s.Lease == nil || policy != haconf.PolicyWitness {
		return ""
	}
	for i, lease := range s.Lease.Groups {
		if lease.Until > 0 && lease.Until <= now && !lease.Held && s.Failover.Groups[i].Claimed {
			return fmt.Sprintf("the lease of %s has ended, and it is not stopped", lease.Name)
		}
	}
	return ""
}

// endWatch ends it so that the machine is not reset; or, if something may run on
// that should be stopped, so that it is.
func (n *Node) endWatch(dog *watchdog.Dog, ended error) {
	if dog == nil {
		return
	}
	end := dog.Close
	if ended != nil {
		n.log.Error("the watchdog resets this machine soon, unless a daemon is started before", "why", ended)
		end = dog.Abandon
	}
	if err := end(); err != nil {
		n.log.Error("watchdog", "error", err)
	}
}
