package node_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/node"
)

func TestTheOtherNodeSaysWhetherItHasRoom(t *testing.T) {
	g := NewWithT(t)
	var milo1, milo2 node.Rooms
	var held []func()
	at := func(n *node.Rooms, later func(func())) func(m hbwire.Message) {
		return func(m hbwire.Message) { n.Hear(m, later) }
	}
	now := func(do func()) { do() }
	milo1 = node.NewRooms(at(&milo2, now), nil)
	milo2 = node.NewRooms(at(&milo1, now), func(groups string) string {
		return map[string]string{"10": "web1 needs 512 MiB"}[groups]
	})
	missing, known := milo1.Ask(t.Context(), "10")
	g.Expect(missing).To(Equal("web1 needs 512 MiB"))
	g.Expect(known).To(BeTrue())
	missing, known = milo1.Ask(t.Context(), "01")
	g.Expect(missing).To(BeEmpty())
	g.Expect(known).To(BeTrue())

	// One that takes too long is not waited for, and its late answer is not taken for another one. Meanwhile it looks once.
	milo1 = node.NewRooms(at(&milo2, func(do func()) { held = append(held, do) }), nil)
	over, end := context.WithCancel(t.Context())
	end()
	for range 3 {
		_, known = milo1.Ask(over, "10")
		g.Expect(known).To(BeFalse())
	}
	g.Expect(held).To(HaveLen(1))
	held[0]()
	milo1.Hear(hbwire.Message{hbwire.Text("question", "none")}, now)
}
