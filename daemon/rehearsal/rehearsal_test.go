package rehearsal_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/rehearsal"
)

// facts are milo1, which runs the page's group, and its peer; each step takes two seconds.
func facts(t *testing.T) rehearsal.Facts {
	t.Helper()
	groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1 LVM::vg xenHA\n"), []string{"milo1", "milo2"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return rehearsal.Facts{
		Config: failover.Config{Node: "milo1", Peer: "milo2", Failback: haconf.FailbackOn, Groups: groups},
		Own:    rehearsal.Node{Runs: []bool{true}, MayStart: []string{""}},
		Peer:   rehearsal.Node{Runs: []bool{false}, MayStart: []string{""}},
		Alive:  true, Shot: 5 * time.Second,
		Took: func(bool, haconf.Resource, failover.Action) (time.Duration, bool) { return 2 * time.Second, false },
	}
}

func lines(p rehearsal.Plan) (all []string) {
	for _, s := range p.Steps {
		all = append(all, fmt.Sprintf("%v %s %s %s", s.At.Round(time.Second), s.Node, s.Action, s.Resource))
	}
	return all
}

func TestStandbyIsRehearsed(t *testing.T) {
	g := NewWithT(t)
	p, err := rehearsal.Play(facts(t), failover.OrderStandby, failover.All, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lines(p)).To(Equal([]string{
		"0s milo1 stop xenHA", "2s milo1 stop LVM::vg", "4s milo1 stop drbddisk::r1",
		"6s milo2 start drbddisk::r1", "8s milo2 start LVM::vg", "10s milo2 start xenHA",
	}))
	g.Expect(p.OK).To(BeTrue())
	g.Expect(p.Ends.Round(time.Second)).To(Equal(12 * time.Second))
}

func TestTakeoverIsRehearsed(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(f *rehearsal.Facts)
		force  bool
		steps  []string
		ok     bool
		text   string
	}{
		"from a peer that runs it": {
			func(f *rehearsal.Facts) { f.Own.Runs[0], f.Peer.Runs[0] = false, true }, false, []string{
				"0s milo2 stop xenHA", "2s milo2 stop LVM::vg", "4s milo2 stop drbddisk::r1",
				"6s milo1 start drbddisk::r1", "8s milo1 start LVM::vg", "10s milo1 start xenHA",
			}, true, "the groups run here",
		},
		"in place of a dead peer, with a fencing device": {
			func(f *rehearsal.Facts) { f.Own.Runs[0], f.Alive, f.Config.Fence = false, false, true }, false,
			[]string{"0s milo2 fence ", "5s milo1 start drbddisk::r1", "7s milo1 start LVM::vg", "9s milo1 start xenHA"},
			false,
			"drbddisk::r1 does not run here: milo2 counts as dead, and is being switched off before anything starts here",
		},
		"by force": {
			func(f *rehearsal.Facts) { f.Own.Runs[0], f.Alive, f.Config.Fence = false, false, true }, true,
			[]string{"0s milo1 start drbddisk::r1", "2s milo1 start LVM::vg", "4s milo1 start xenHA"},
			true, "the groups run here",
		},
		"with data that may not be used": {
			func(f *rehearsal.Facts) { f.Own.Runs[0], f.Alive, f.Own.MayStart[0] = false, false, "it is Outdated" }, false, nil,
			false, "takeover refused: drbddisk::r1: the data of this node may not be used: it is Outdated",
		},
		"of what runs here": {func(*rehearsal.Facts) {}, false, nil, true, "the groups run here"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := facts(t)
			tc.change(&f)
			p, err := rehearsal.Play(f, failover.OrderTakeover, failover.All, tc.force)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(lines(p)).To(Equal(tc.steps))
			g.Expect(p.Text).To(Equal(tc.text))
			g.Expect(p.OK).To(Equal(tc.ok))
		})
	}
}

func TestAStandbyThatIsRefusedSaysWhy(t *testing.T) {
	g := NewWithT(t)
	f := facts(t)
	f.Peer.MayStart[0] = "the peer's copy is Inconsistent"
	p, err := rehearsal.Play(f, failover.OrderStandby, failover.All, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Steps).To(BeEmpty())
	g.Expect(p.Text).To(HavePrefix("standby refused: drbddisk::r1: the copy on milo2 is not fit"))
}

func TestAnOrderWithoutRoomForItSaysWhy(t *testing.T) {
	for kind, want := range map[failover.OrderKind]string{
		failover.OrderStandby:  "milo2 refuses: there is no room on milo2: web1 needs 512 MiB",
		failover.OrderTakeover: "there is no room on milo1: web1 needs 512 MiB",
	} {
		g := NewWithT(t)
		f := facts(t)
		taker := kind == failover.OrderTakeover
		f.Own.Runs[0], f.Peer.Runs[0] = !taker, taker
		f.Config.Rooms = []bool{true}
		f.NoRoom = func(own bool, groups string) string {
			g.Expect(own).To(Equal(taker))
			g.Expect(groups).To(Equal("1"))
			return "web1 needs 512 MiB"
		}
		p, err := rehearsal.Play(f, kind, failover.All, false)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Steps).To(BeEmpty())
		g.Expect(p.OK).To(BeFalse())
		g.Expect(p.Text).To(Equal(want))
	}
}
