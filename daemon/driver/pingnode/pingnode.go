// Package pingnode asks the ping nodes of ha.cf whether they answer: routers and other hosts that are no members, and
// show that the network works. What follows from that is not its business.
//
// Each keepalive every host gets an ICMP echo request. What it sends back is a message of Heartbeat, as if the host had
// made it itself, so nobody without a key of authkeys can answer in its name.
//
//	       answers               silent for deadping
//	+------+ ---> +------+  ----------------------->  +------+
//	| init |      | ping |                            | dead |
//	+------+      +------+  <-----------------------  +------+
//	   |                            answers              ^
//	   +-------------------------------------------------+
//
// Source: Heartbeat wire, sections 4 and 12.3.
package pingnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// The states, in the words of cl_status.
const (
	Init  = "init" // not heard yet
	Alive = "ping"
	Dead  = "dead"
)

// Config says which nodes there are and how they are asked.
type Config struct {
	Media     []haconf.Medium // those that are no ping nodes do not count
	Keepalive time.Duration   // from one question to the next
	Deadtime  time.Duration   // a node that is silent for so long is dead; deadping in ha.cf
	Keys      hbwire.Keys
	Encoding  hbwire.Encoding
	// Changed hears that a node answers, or answers no more; Log of each new trouble. They are called by several
	// goroutines, one at a time.
	Changed func(name, state string)
	Log     func(text string)
}

// State is how one node stands.
type State struct {
	Name  string
	State string
}

// Pinger asks all of them.
type Pinger struct {
	cfg   Config
	conns map[family]conn // those that could be opened
	shut  map[family]error

	mu    sync.Mutex
	nodes []*node
}

// node is one line, or one word of it. It lives if any of its hosts answers.
type node struct {
	name, kind string
	hosts      []*host
	state      string
	heard      time.Time // or when the first question was asked
}

// host is one address to ask.
type host struct {
	name    string
	network string     // ip6, or ip: of either family, and IPv4 rather than IPv6
	address netip.Addr // not valid: not known yet
	asked   time.Time  // when its address was looked up last
	trouble string
}

// Open makes the socket. It gives nil if there are no ping nodes.
func Open(c Config) (*Pinger, error) {
	p := &Pinger{cfg: c, conns: map[family]conn{}, shut: map[family]error{}}
	for _, m := range c.Media {
		n := &node{name: m.Address, kind: m.Kind.String(), state: Init}
		switch m.Kind {
		case haconf.Ping:
			n.hosts = []*host{{name: m.Address, network: "ip"}}
		case haconf.Ping6:
			n.hosts = []*host{{name: m.Address, network: "ip6"}}
		case haconf.PingGroup:
			for _, member := range m.Members {
				n.hosts = append(n.hosts, &host{name: member, network: "ip"})
			}
		default:
			continue
		}
		p.nodes = append(p.nodes, n)
	}
	if len(p.nodes) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to ask
	}
	for _, f := range []family{ip4, ip6} {
		c, err := openConn(f)
		if err != nil {
			p.shut[f] = err // a host may have but one of them
			continue
		}
		p.conns[f] = c
	}
	if len(p.conns) == 0 {
		return nil, fmt.Errorf("ping nodes: %w", errors.Join(p.shut[ip4], p.shut[ip6]))
	}
	return p, nil
}

// send asks an address.
func (p *Pinger) send(packet []byte, f family, to netip.Addr) error {
	if c, open := p.conns[f]; open {
		return c.send(packet, to)
	}
	return p.shut[f]
}

// Run asks until ctx ends.
func (p *Pinger) Run(ctx context.Context) {
	p.begin(time.Now())
	var all sync.WaitGroup
	for _, c := range p.conns {
		all.Go(func() { p.listen(c) })
	}
	for _, n := range p.nodes {
		for _, h := range n.hosts {
			all.Go(func() { p.ask(ctx, n, h) })
		}
	}
	p.watch(ctx)
	for _, c := range p.conns {
		_ = c.Close() // which ends listen
	}
	all.Wait()
}

func (p *Pinger) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		n.heard = now
	}
}

// States are those of all nodes, in the order of ha.cf.
func (p *Pinger) States() (all []State) {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		all = append(all, State{Name: n.name, State: n.state})
	}
	return all
}

// ask asks one host, each keepalive.
func (p *Pinger) ask(ctx context.Context, n *node, h *host) {
	ticks := time.NewTicker(p.cfg.Keepalive)
	defer ticks.Stop()
	for sequence := uint16(0); ; sequence++ {
		address, err := p.addressOf(ctx, n, h)
		if err == nil {
			var packet []byte
			f := familyOf(address)
			if packet, err = p.question(n, f, sequence, time.Now()); err == nil {
				err = p.send(packet, f, address)
			}
		}
		if ctx.Err() != nil {
			return
		}
		p.note(n, h, err)
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// addressOf looks the address of a host up: once, and again while its node does not answer.
func (p *Pinger) addressOf(ctx context.Context, n *node, h *host) (netip.Addr, error) {
	p.mu.Lock()
	address, fresh := h.address, n.state == Alive || time.Since(h.asked) < p.cfg.Deadtime
	p.mu.Unlock()
	if address.IsValid() && fresh {
		return address, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, h.network, h.name)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("host %s has no %s address", h.name, h.network)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h.asked = time.Now()
	if err == nil {
		h.address = found[max(0, slices.IndexFunc(found, func(a netip.Addr) bool { return a.Unmap().Is4() }))].Unmap()
	}
	return h.address, err
}

// note logs trouble when it begins, changes and ends.
func (p *Pinger) note(n *node, h *host, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case text == h.trouble:
	case err != nil:
		p.cfg.Log(fmt.Sprintf("%s %s: ask %s: %v", n.kind, n.name, h.name, err))
	default:
		p.cfg.Log(fmt.Sprintf("%s %s: ask %s: works again", n.kind, n.name, h.name))
	}
	h.trouble = text
}

// watch finds out who is silent.
func (p *Pinger) watch(ctx context.Context) {
	ticks := time.NewTicker(min(p.cfg.Keepalive, p.cfg.Deadtime) / 2)
	defer ticks.Stop()
	for {
		select {
		case now := <-ticks.C:
			p.judge(now)
		case <-ctx.Done():
			return
		}
	}
}

func (p *Pinger) judge(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.state != Dead && now.Sub(n.heard) >= p.cfg.Deadtime {
			n.state = Dead
			p.cfg.Changed(n.name, n.state)
		}
	}
}

// listen takes what comes, until the socket is closed.
func (p *Pinger) listen(c conn) {
	data := make([]byte, maxPacket)
	for {
		size, from, err := c.receive(data)
		if err != nil {
			return
		}
		p.hear(data[:size], from, time.Now())
	}
}

// hear takes an ICMP packet: an answer keeps the node alive that it names, if it is from one of that node's hosts.
func (p *Pinger) hear(packet []byte, from netip.Addr, now time.Time) {
	name, ok := p.answer(packet, familyOf(from))
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.name != name || !slices.ContainsFunc(n.hosts, func(h *host) bool { return h.address == from }) {
			continue
		}
		n.heard = now
		if n.state != Alive {
			n.state = Alive
			p.cfg.Changed(n.name, n.state)
		}
	}
}
