package replica_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestReplica(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "replica")
}

// sectors of the disks below: 32 MiB with internal metadata.
const sectors = 65536

// pair is two ends and the wire between them: a queue of things to happen.
type pair struct {
	now   time.Duration
	queue []func()
	conns uint32
	a, b  *end
	cut   bool
	// breaks lets every new connection fail in its handshake.
	breaks bool
}

func newPair(change ...func(*replica.Config)) *pair {
	p := &pair{}
	for i, name := range []string{"milo1", "milo2"} {
		cfg := config()
		cfg.Seed = uint64(i + 1)
		for _, f := range change {
			f(&cfg)
		}
		e := &end{name: name, core: replica.New(cfg), pair: p, disk: freshDisk(sectors)}
		e.forget()
		if i == 0 {
			p.a = e
		} else {
			p.b = e
		}
	}
	p.a.peer, p.b.peer = p.b, p.a
	return p
}

func (p *pair) meet() {
	if p.cut || !p.a.dialling || !p.b.dialling {
		return
	}
	p.conns++
	conn := p.conns
	for _, e := range []*end{p.a, p.b} {
		e.dialling, e.conn = false, conn
		e.later(replica.Input{Kind: replica.LinkUp, Conn: conn, Resolve: e == p.b})
		if p.breaks {
			e.later(replica.Input{Kind: replica.Packet, Conn: conn, Command: drbdwire.CmdBarrier, Data: make([]byte, 8)})
		}
	}
}

func (p *pair) hangup(conn uint32, why string) {
	for _, e := range []*end{p.a, p.b} {
		if e.conn == conn && conn != 0 {
			e.conn = 0
			e.later(replica.Input{Kind: replica.LinkDown, Conn: conn, Text: why})
		}
	}
}

// run lets everything happen that is under way.
func (p *pair) run() {
	for len(p.queue) > 0 {
		next := p.queue[0]
		p.queue = p.queue[1:]
		next()
	}
}

// wait lets a second pass, tick by tick, and everything happen in it.
func (p *pair) wait() { p.pass(time.Second) }

func (p *pair) pass(d time.Duration) {
	p.run()
	until := p.now + d
	for {
		next := min(p.a.core.Deadline(), p.b.core.Deadline())
		if next > until {
			break
		}
		p.now = max(next, p.now)
		for _, e := range []*end{p.a, p.b} {
			if e.core.Deadline() <= p.now {
				e.step(replica.Input{Kind: replica.Tick})
			}
		}
		p.run()
		p.now++
	}
	p.now = until
}

// breakLink cuts the connection; both ends learn of it.
func (p *pair) breakLink() {
	p.hangup(p.conns, "connection reset")
	p.run()
}

// breakLinkForGood cuts the connection, and no other comes about before heal.
func (p *pair) breakLinkForGood() {
	p.cut = true
	p.breakLink()
}

// heal lets the nodes find each other again.
func (p *pair) heal() {
	p.cut = false
	p.meet()
	p.run()
}

// synced is a pair after the initial sync, milo1 Primary.
func synced(change ...func(*replica.Config)) *pair {
	GinkgoHelper()
	p := newPair(change...)
	p.copies()
	return p
}

// copies does the initial sync from milo1, which is Primary then.
func (p *pair) copies() {
	GinkgoHelper()
	p.a.up()
	p.b.up()
	p.run()
	Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Inconsistent/Inconsistent"))
	p.a.mustOrder(replica.OrderPrimary, true)
	p.wait()
	Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
}
