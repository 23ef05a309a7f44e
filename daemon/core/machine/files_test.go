package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

var _ = Describe("Two nodes that hear each other", func() {
	files := func(change func(c *machine.Config)) (milo1, milo2 machine.Files) {
		p := newPairOf(change)
		return p.nodes[0].core.Status().PeerFiles, p.nodes[1].core.Status().PeerFiles
	}

	It("know what files the other has", func() {
		milo1, milo2 := files(func(c *machine.Config) {
			c.Files = machine.Files{DRBD: "d of " + c.Liveness.Node, Resources: "r"}
		})
		Expect(milo1).To(Equal(machine.Files{DRBD: "d of milo2", Resources: "r"}))
		Expect(milo2).To(Equal(machine.Files{DRBD: "d of milo1", Resources: "r"}))
	})

	It("know what guests the other has, since their files changed last", func() {
		p := newPairOf(func(c *machine.Config) { c.Files.DRBD = "d" })
		for _, digest := range []string{"before", "since"} {
			p.nodes[0].step(machine.Input{Part: machine.Liveness, Liveness: machine.SayGuests(digest)})
			p.pass(time.Second)
			Expect(p.nodes[1].core.Status().PeerFiles).To(Equal(machine.Files{DRBD: "d", Guests: digest}))
		}
		Expect(p.nodes[0].core.Status().PeerFiles).To(Equal(machine.Files{DRBD: "d"}), "its own message tells it nothing")
	})

	It("hand on what their shells say to each other, and nothing else", func() {
		p := newPairOf(func(*machine.Config) {})
		p.nodes[0].step(machine.Input{Part: machine.Liveness, Liveness: liveness.Input{
			Kind: liveness.Say, Message: hbwire.Message{hbwire.Text("t", machine.MsgShell), hbwire.Text("says", "good day")},
		}})
		p.pass(time.Second)
		Expect(p.nodes[0].heard).To(BeEmpty())
		Expect(p.nodes[1].heard).To(HaveExactElements(WithTransform(
			func(m hbwire.Message) string { return m.Text("says") }, Equal("good day"))))
	})

	It("know nothing of them from one that does not say", func() {
		milo1, milo2 := files(func(c *machine.Config) {
			if c.Liveness.Node == "milo1" {
				c.Files.DRBD = "d"
			}
		})
		Expect(milo1).To(BeZero())
		Expect(milo2).To(Equal(machine.Files{DRBD: "d"}))
	})
})
