package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("With on-io-error pass_on, a late error of a Secondary that has gone on alone", func() {
	// changed is a pair that was parted while the second node read for a verify. That has
	// served users since, and its disk still owes the answers.
	changed := func() *pair {
		p := synced(withVerify, func(c *replica.Config) { c.PassOn = true })
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.hold[replica.Read] = true
		Expect(p.a.verify(8192, 8256).Code).To(Equal(drbdwire.Success))
		Expect(p.b.held).NotTo(BeEmpty())
		p.part()
		p.b.servesAlone()
		return p
	}
	fails := func(p *pair) {
		p.b.badData = true
		p.b.release()
		p.b.badData = false
	}
	// keeps is that what users were told is done is copied to the other node, once the
	// disk is attached again.
	keeps := func(p *pair) {
		GinkgoHelper()
		if p.b.core.State().Disk == drbdwire.Diskless {
			p.b.mustOrder(replica.OrderAttach, false)
			p.join()
		}
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[16*512]).To(Equal(byte('z')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	}

	It("does not let the peer's old copy win", func() {
		p := changed()
		fails(p)
		p.join()
		keeps(p)
	})

	It("does not let both wait for the other's bitmap when it comes in the handshake", func() {
		p := changed()
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState {
				p.b.tap = nil
				p.b.badData = true
				held := p.b.held
				p.b.held, p.b.hold = nil, map[replica.EffectKind]bool{}
				for _, f := range held {
					f()
				}
				p.b.badData = false
			}
		}
		p.join()
		keeps(p)
	})
})
