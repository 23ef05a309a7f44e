package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/record"
)

// incidents is how many recordings of failovers are kept, and of devices that froze.
const incidents = 8

// unrecordedFor is how long inputs may wait before they are on their way to the
// disk.
const unrecordedFor = 200 * time.Millisecond

// recording is the ring of a node's inputs. Who has the turn may use it.
type recording struct {
	ring *record.Recorder // nil: off
	dir  string
	// rested is when everything was on its way to the disk.
	rested time.Duration
	// incident is the file of the failover that is going on; "" is none.
	incident string
}

// startRecording begins a ring in the state directory. A node that can't write
// one runs without.
func (n *Node) startRecording() {
	if n.options.Record == 0 {
		return
	}
	dir := filepath.Join(n.options.StateDir, "recording")
	warn := func(err error) { n.log.Warn("what happens here is not recorded", "error", err) }
	ring, err := record.New(dir, n.site.Node, n.clock.Started(), n.options.Record, warn)
	if err != nil {
		warn(err)
		return
	}
	n.recording = recording{ring: ring, dir: dir}
}

// recorded steps the machine, and keeps what came of it.
func (n *Node) recorded(in *machine.Input, effects []machine.Effect) []machine.Effect {
	now, ring := n.now(), n.recording.ring
	if ring == nil {
		return n.machine.Step(now, *in, effects)
	}
	ring.Before(now, n.machine)
	effects = n.machine.Step(now, *in, effects)
	ring.After(now, in, effects)
	return effects
}

// rest writes down what was collected: the loop has nothing to do.
func (n *Node) rest() {
	if n.recording.ring != nil {
		n.recording.ring.Idle()
		n.recording.rested = n.now()
	}
}

// unrecorded tells whether the loop should look again, to write down what
// happens meanwhile.
func (n *Node) unrecorded() bool {
	return n.recording.ring != nil && n.now() > n.recording.rested+unrecordedFor
}

func (n *Node) endRecording() {
	if n.recording.ring != nil {
		n.recording.ring.Close()
	}
}

// keepIncident saves the recording of a failover, when the peer counts as dead and
// again when its groups run here; and that of a device that has frozen.
func (n *Node) keepIncident(e *machine.Effect) {
	r := &n.recording
	if r.ring == nil {
		return
	}
	switch {
	case e.Part == machine.Replica && e.Replica.Kind == replica.Broken:
		n.saveIncident(n.newIncident("frozen"))
	case e.Part == machine.Liveness && e.Liveness.Kind == liveness.PeerDied:
		r.incident = n.newIncident("failover")
		n.saveIncident(r.incident)
	case e.Part == machine.Failover && e.Failover.Kind == failover.Held && r.incident != "":
		n.saveIncident(r.incident)
		r.incident = ""
	}
}

// newIncident names a file, and makes room for it.
func (n *Node) newIncident(what string) string {
	n.forgetIncidents(what)
	name := fmt.Sprintf("%s-%s-%s.rec", what, n.site.Node, time.Now().UTC().Format("20060102T150405"))
	return filepath.Join(n.recording.dir, name)
}

func (n *Node) saveIncident(file string) {
	saved := make(chan error, 1)
	n.recording.ring.Save(file, saved)
	n.working.Go(func() {
		if err := <-saved; err != nil {
			n.log.Warn("the recording of an incident is not kept", "error", err)
		}
	})
}

func (n *Node) forgetIncidents(what string) {
	old, err := filepath.Glob(filepath.Join(n.recording.dir, what+"-*.rec"))
	if err != nil {
		return
	}
	slices.Sort(old)
	for ; len(old) >= incidents; old = old[1:] {
		if err := os.Remove(old[0]); err != nil {
			n.log.Warn("an old recording stays", "error", err)
		}
	}
}

// saveRecording carries an administrator's order out: the ring as one file.
func (n *Node) saveRecording(ctx context.Context, o control.Order) control.Answer {
	if len(o.Args) != 1 || !filepath.IsAbs(o.Args[0]) {
		return control.Answer{Text: "want one absolute path for the recording"}
	}
	saved := make(chan error, 1)
	n.ask(func(*machine.Machine) {
		if n.recording.ring == nil {
			saved <- fmt.Errorf("this node records nothing: see polluxd --record")
			return
		}
		n.recording.ring.Save(o.Args[0], saved)
	})
	select {
	case err := <-saved:
		if err != nil {
			return control.Answer{Text: err.Error()}
		}
		return control.Answer{OK: true}
	case <-ctx.Done():
		return control.Answer{Text: "nobody waited for the answer: " + context.Cause(ctx).Error()}
	case <-n.ctx.Done():
		return control.Answer{Text: "the daemon is ending"}
	}
}
