package kernelpeer_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/link"
)

// fencePeer is the handler of both engines in the rows about its answers.
const fencePeer = "/etc/fence-peer"

const fencePeerHandler = `fence-peer "` + fencePeer + ` fence-peer";`

var fenceRows = []row{
	{
		name: "fencing, a Primary that leaves in order", options: options{disk: "fencing resource-only;"},
		body: func(ctx SpecContext, p pairing) {
			p.promoted(ctx)
			p.from.do(ctx, "disconnect")
			p.from.is(ctx, "StandAlone Primary/Unknown UpToDate/Outdated")
			p.to.is(ctx, "WFConnection Secondary/Unknown Outdated/DUnknown")
			Expect(p.to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-2)")))
			p.from.wrote(ctx, 1, write(0, 64*kib, 1))
			p.from.do(ctx, "connect")
			p.synced(ctx)
			p.from.do(ctx, "secondary")
		},
	},
	{
		name: "fencing, the answers of fence-peer", only: "C",
		options: options{disk: "fencing resource-only;", handlers: fencePeerHandler},
		body:    answersOfFencePeer,
	},
	{
		name: "fencing, I/O waits for STONITH", only: "C",
		options: options{disk: "fencing resource-and-stonith;", handlers: fencePeerHandler},
		body: func(ctx SpecContext, p pairing) {
			p.promoted(ctx)
			p.from.fencePeerDoes(ctx, "while [ ! -e /run/shot ]; do sleep 0.1; done; exit 7")
			cutBoth()
			ops := load(20, 7000)
			user := p.from.startIO(4, ops...)
			p.from.is(ctx, "WFConnection Primary/Unknown UpToDate/DUnknown")
			Expect(done(user)).To(BeZero(), "writes that were acknowledged while nobody knew about the peer")
			Expect(p.from.at.Put(ctx, "/run/shot", nil, 0o644)).To(Succeed())
			Expect(user.Wait(ctx)).To(BeZero(), user.Stderr())
			applyAll(ops)
			p.from.is(ctx, "WFConnection Primary/Unknown UpToDate/Outdated")
			wire.Heal(milo1.name, milo2.name)
			p.synced(ctx)
			p.from.do(ctx, "secondary")
		},
	},
}

// answersOfFencePeer goes through the exit statuses that mean something, and one
// that does not. Source: DRBD 8.4 states, section 7.
func answersOfFencePeer(ctx SpecContext, p pairing) {
	GinkgoHelper()
	p.promoted(ctx)
	for _, answer := range []struct {
		exit     int
		peerDisk string
	}{
		{3, "Inconsistent"},
		{4, "Outdated"},
		{5, "Outdated"},
		{7, "Outdated"},
		{6, "DUnknown"}, // "the peer is Primary" is no answer for a Primary
		{1, "DUnknown"},
	} {
		By(fmt.Sprintf("fence-peer exits with %d", answer.exit))
		p.from.fencePeerSays(ctx, answer.exit)
		cutBoth()
		p.from.heardFencePeer(ctx, answer.exit)
		p.from.is(ctx, "WFConnection Primary/Unknown UpToDate/"+answer.peerDisk)
		p.from.wrote(ctx, 1, write(int64(answer.exit)*mib, 64*kib, uint64(answer.exit)))
		wire.Heal(milo1.name, milo2.name)
		p.synced(ctx)
	}
	equal(ctx)
	// A Secondary asks before it becomes Primary.
	p.to.fencePeerSays(ctx, 6)
	cutBoth()
	p.to.is(ctx, "WFConnection Secondary/Unknown UpToDate/DUnknown")
	Expect(p.to.engine.order(ctx, "primary")).NotTo(Succeed())
	p.to.is(ctx, "WFConnection Secondary/Unknown Outdated/DUnknown")
	wire.Heal(milo1.name, milo2.name)
	p.synced(ctx)
	p.to.fencePeerSays(ctx, 7)
	p.from.cut()
	p.to.is(ctx, "WFConnection Secondary/Unknown UpToDate/DUnknown")
	p.to.do(ctx, "primary")
	p.to.is(ctx, "WFConnection Primary/Unknown UpToDate/Outdated")
	p.to.wrote(ctx, 1, write(10*mib, 64*kib, 10))
	p.from.back(ctx)
	pairing{p.to, p.from, p.protocol}.synced(ctx)
	p.to.do(ctx, "secondary")
}

func cutBoth() { wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() }) }

func (n *node) fencePeerSays(ctx SpecContext, exit int) {
	GinkgoHelper()
	n.fencePeerDoes(ctx, fmt.Sprintf("exit %d", exit))
}

// fencePeerDoes makes the handler of a node's engine. The kernel calls it as if
// it were drbdadm, with the name of any handler.
func (n *node) fencePeerDoes(ctx SpecContext, what string) {
	GinkgoHelper()
	script := "#!/bin/sh\n[ \"$1\" = fence-peer ] || exit 0\n" + what + "\n"
	Expect(n.at.Put(ctx, fencePeer, []byte(script), 0o755)).To(Succeed())
	if !n.isKernel() {
		return
	}
	helper := func(ctx SpecContext, path string) {
		_, err := n.at.Shell(ctx, "echo -n "+path+" > /sys/module/drbd/parameters/usermode_helper")
		Expect(err).NotTo(HaveOccurred())
	}
	helper(ctx, fencePeer)
	DeferCleanup(func(ctx SpecContext) { helper(ctx, "/bin/true") })
}

// heardFencePeer waits until the engine has judged an answer.
func (n *node) heardFencePeer(ctx SpecContext, exit int) {
	GinkgoHelper()
	Eventually(func() string { return n.engine.log(ctx) }).WithContext(ctx).WithTimeout(soon).
		Should(MatchRegexp(`fence-peer.*exit (code|status) %d\b`, exit), func() string { return tail(n.engine.log(ctx)) })
}
