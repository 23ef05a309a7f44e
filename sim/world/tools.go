package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
)

// Tool is what a resource of a group is done with.
type Tool uint8

// The tools: the volume group, the guests on it, and the device below both,
// which is the replica's own.
const (
	VG     Tool = 1
	Guests Tool = 2
	Device Tool = 3
)

// String is the tool's word in haresources.
func (t Tool) String() string {
	return [...]string{VG: "LVM", Guests: "xenHA", Device: "drbddisk"}[t]
}

// hanging is after how long a program that does not end is given up.
const hanging = 30 * time.Second

func toolOf(script string) Tool {
	if script == "LVM" {
		return VG
	}
	return Guests
}

// runTool does one step of a group. The truth is what this world says; what
// the program reports may be something else.
func (n *Node) runTool(e *failover.Effect) {
	w, cfg, luck := n.w, n.w.cfg.Tools, n.w.luck.tool
	tool := toolOf(w.cfg.Machine.Failover.Groups[e.Group].Resources[e.Index].Script)
	id, action, epoch := e.ID, e.Action, n.epoch
	took := luck.Between(cfg.Latency/10, cfg.Latency)
	fate := luck.Below(1_000_000)
	answer := func(after time.Duration, in failover.Input) {
		in.Kind, in.ID = failover.Done, id
		w.After(after, func() {
			if n.epoch == epoch {
				n.give(&machine.Input{Part: machine.Failover, Failover: in})
			}
		})
	}
	switch {
	case e.Watch:
		n.watch(tool, took, answer)
		return
	case action == failover.Status:
		n.look(tool, took, fate, answer)
		return
	}
	if tool == Guests && e.Within > 0 {
		took = min(took, e.Within) // then they are destroyed
	}
	n.working = n.working || tool == VG
	w.watcher.Acting(n.id, tool, action == failover.Start)
	w.After(took, func() {
		if n.epoch != epoch || !n.alive {
			return
		}
		done := failover.Input{}
		switch {
		case fate < cfg.Fail:
			done.Failed, done.Text = true, "the program failed"
		case fate < cfg.Fail+cfg.Half:
			n.act(tool, action)
			done.Failed, done.Text = true, "the program failed at its end"
		case fate < cfg.Fail+cfg.Half+cfg.Lie:
		case fate < cfg.Fail+cfg.Half+cfg.Lie+cfg.Hang:
			if luck.Below(2) == 0 {
				w.After(luck.Between(0, hanging), func() {
					if n.epoch == epoch && n.alive {
						n.act(tool, action)
					}
				})
			}
			n.letGo(hanging, tool, epoch)
			answer(hanging, failover.Input{Failed: true, Text: "the program was given up"})
			return
		default:
			done.Failed = !n.act(tool, action)
			if done.Failed {
				done.Text = "in use, or what it needs is missing"
			}
		}
		n.letGo(0, tool, epoch)
		answer(0, done)
	})
}

// letGo ends a tool's own hold on the device.
func (n *Node) letGo(after time.Duration, tool Tool, epoch uint32) {
	n.w.After(after, func() {
		if n.epoch == epoch && tool == VG {
			n.working = false
		}
	})
}

func (n *Node) look(tool Tool, took time.Duration, fate int, answer func(time.Duration, failover.Input)) {
	epoch := n.epoch
	n.w.After(took, func() {
		if n.epoch != epoch {
			return
		}
		in := failover.Input{State: failover.Stopped}
		switch {
		case fate < n.w.cfg.Tools.Blind:
			in.State, in.Text = failover.Unknown, "the program failed"
		case tool == VG && n.vg, tool == Guests && n.guest:
			in.State = failover.Running
		}
		answer(0, in)
	})
}

// watch is a look at what is to run.
func (n *Node) watch(tool Tool, took time.Duration, answer func(time.Duration, failover.Input)) {
	luck, cfg, epoch := n.w.luck.watch, n.w.cfg.Tools, n.epoch
	fate, blind := luck.Below(1_000_000), luck.Below(2) == 0
	lies := fate < cfg.WatchLies
	late := time.Duration(0)
	if !lies && fate < cfg.WatchLies+cfg.WatchLate {
		late = luck.Between(0, hanging)
	}
	if late > 0 && blind {
		answer(late, failover.Input{State: failover.Unknown, Text: "the program was given up"})
		return
	}
	n.w.After(took+late, func() {
		if n.epoch != epoch {
			return
		}
		in := failover.Input{State: failover.Stopped}
		if runs := tool == VG && n.vg || tool == Guests && n.guest; runs != lies {
			in.State = failover.Running
		}
		answer(0, in)
	})
}

// Die ends the guest that runs here, as a crash of its kernel does.
func (n *Node) Die() {
	if n.guest {
		n.w.Tracef("the guest on %s dies", Name(n.id))
		n.stopGuest()
	}
}

// Crowd leaves no memory for the guest, for a while; one that runs has its own.
func (n *Node) Crowd(d time.Duration) {
	n.w.Tracef("others take the memory of %s", Name(n.id))
	n.crowded = n.w.now + d
}

func (n *Node) isCrowded() bool { return n.w.now < n.crowded && !n.guest }

// weigh says whether there is memory for the guest.
func (n *Node) weigh(id uint64) {
	n.soon(func() {
		n.give(&machine.Input{Part: machine.Failover, Failover: failover.Input{
			Kind: failover.Weighed, ID: id, Failed: n.isCrowded(), Text: "others have the memory",
		}})
	})
}

// act changes the truth, and tells whether that was possible.
func (n *Node) act(tool Tool, action failover.Action) bool {
	start := action == failover.Start
	n.w.Tracef("%s %s %s", Name(n.id), tool, action)
	switch {
	case tool == VG && start && !n.exposed, tool == Guests && start && (!n.vg || n.isCrowded()):
		return false
	case tool == VG && !start && (n.guest || len(n.open) > 0):
		return false
	case tool == VG:
		n.vg = start
	case start && !n.guest:
		n.guest = true
		n.w.guest.Start(n.id)
	case !start:
		n.stopGuest()
	}
	return true
}

func (n *Node) stopGuest() {
	if n.guest {
		n.guest = false
		n.w.guest.Stop(n.id)
	}
}
