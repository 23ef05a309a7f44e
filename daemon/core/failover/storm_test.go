package failover_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

const stormLines = "milo1 drbddisk::r1 LVM::vg xenHA\nmilo2 drbddisk::r2 xenB\nmilo1 drbddisk::r3\n"

// Machines crash, programs fail, data is not fit, operators order this and that, and the wire loses and reorders. No
// group ever runs on both machines, and no step comes out of order. When the faults end, each group runs on one.
func TestStormWithoutCuts(t *testing.T) {
	RegisterTestingT(t)
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			RegisterTestingT(t)
			w := storm(seed, false)
			NewWithT(t).Expect(w.broken).To(BeEmpty())
			w.calm(t)
		})
	}
}

// With cuts and pauses both machines may run a group for a while. When the faults end, one gives up, and one goes on.
func TestStormWithCutsAndPauses(t *testing.T) {
	RegisterTestingT(t)
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			RegisterTestingT(t)
			storm(seed, true).calm(t)
		})
	}
}

func TestStormTwice(t *testing.T) {
	RegisterTestingT(t)
	for seed := range uint64(5) {
		first, second := storm(seed, true), storm(seed, true)
		g := NewWithT(t)
		g.Expect(second.log).To(Equal(first.log))
		for i := range first.machines {
			g.Expect(second.machines[i].notes).To(Equal(first.machines[i].notes))
		}
	}
}

func storm(seed uint64, split bool) *world {
	failback := haconf.FailbackOn
	if seed%3 == 0 {
		failback = haconf.FailbackOff
	}
	w := newWorld(seed, stormLines, failback)
	w.loss, w.delay, w.split = w.draw.Float64()*0.4, time.Duration(w.draw.Int64N(int64(2*time.Second))), split
	for _, m := range w.machines {
		m.rooms = [][]bool{nil, {true}, {false, true}, {true, true, true}}[seed%4]
		m.boot(false)
	}
	for id := range uint64(60) {
		usual := []time.Duration{time.Second, 4 * time.Second, 40 * time.Second}[w.draw.IntN(3)]
		w.pass(time.Duration(w.draw.ExpFloat64() * float64(usual)))
		w.mishap(w.machines[w.draw.IntN(2)], id, split)
	}
	return w
}

func (w *world) mishap(m *machine, id uint64, split bool) {
	set := []failover.Set{failover.Local, failover.Foreign, failover.All}[w.draw.IntN(3)]
	group := w.draw.IntN(len(m.groups))
	resources := m.groups[group].Resources
	name := resources[w.draw.IntN(len(resources))].Text
	switch kind := w.draw.IntN(15); {
	case m.frozen:
		m.thaw()
	case m.run == 0:
		m.boot(!m.left)
	case kind == 0:
		m.crash()
	case kind <= 3:
		m.order(id, failover.OrderStandby, set, false)
	case kind <= 6:
		m.order(id, failover.OrderTakeover, set, w.draw.IntN(2) == 0)
	case kind == 7:
		m.order(id, failover.OrderStop, set, false)
	case kind == 8:
		m.refuseStart[name] = !m.refuseStart[name]
	case kind == 9:
		m.refuseStop[name] = !m.refuseStop[name]
	case kind == 10:
		m.unseen[name], m.dumb = !m.unseen[name], !m.dumb
	case kind == 11:
		m.mayGive[group] = !m.mayGive[group]
		m.noRoom = map[bool]string{true: "it is full"}[m.noRoom == ""]
	case kind == 12:
		m.mayStart[group] = !m.mayStart[group]
	case kind == 13:
		m.killDaemon(time.Duration(w.draw.Int64N(int64(20*time.Second))), time.Duration(w.draw.Int64N(int64(time.Minute))))
	case !split || w.draw.IntN(3) == 0:
		m.order(id, failover.OrderMaintenanceOn+failover.OrderKind(w.draw.IntN(2)), set, false)
	case w.draw.IntN(2) == 0:
		m.frozen = true
	default:
		w.cut = !w.cut
	}
}

// killDaemon kills the daemon alone, for so long. What is leftmost is gone with it, and comes back so long after the next
// one's start if something needs it, and the other machine does not have it.
func (m *machine) killDaemon(down, after time.Duration) {
	for _, g := range m.groups {
		m.running[g.Resources[0].Text] = false
	}
	m.restart(down)
	run := m.runs + 1
	m.w.later(down+after, func() {
		for _, g := range m.groups {
			if name := g.Resources[0].Text; m.run == run && m.holds(g) && !m.other().running[name] {
				m.running[name] = true
			}
		}
	})
}

// calm ends all faults and waits for what the machines make of it.
func (w *world) calm(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	w.cut = false
	for _, m := range w.machines {
		clear(m.refuseStart)
		clear(m.refuseStop)
		clear(m.unseen)
		m.noRoom, m.dumb = "", false
		for i := range m.groups {
			m.mayGive[i], m.mayStart[i] = true, true
		}
		if m.frozen {
			m.thaw()
		}
	}
	w.pass(5 * time.Minute)
	for _, m := range w.machines {
		if m.run == 0 {
			m.boot(!m.left)
		}
	}
	for _, m := range w.machines {
		m.order(900, failover.OrderMaintenanceOff, failover.All, false)
	}
	w.pass(5 * time.Minute)
	w.split = false
	// What failed to start on both machines rests until an operator says that the cause is gone.
	for i, m := range w.machines {
		for j := range m.groups {
			if m.group(j).State == "failed" && w.machines[1-i].group(j).State != "running" {
				m.order(1000+uint64(j), failover.OrderTakeover, failover.All, false)
				w.pass(time.Minute)
			}
		}
	}
	w.pass(2 * time.Minute)
	for _, group := range w.machines[0].groups {
		holders := 0
		for _, m := range w.machines {
			if m.runsAll(group) {
				holders++
			}
		}
		g.Expect(holders).To(Equal(1), "%s: %+v\n%+v", group.Key(), w.machines[0].fail.Snapshot(),
			w.machines[1].fail.Snapshot())
	}
	for _, m := range w.machines {
		g.Expect(m.fail.Snapshot().Settled).To(BeTrue(), "%+v", m.fail.Snapshot())
	}
	g.Expect(w.broken).To(BeEmpty())
}
