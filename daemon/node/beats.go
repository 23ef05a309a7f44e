package node

import (
	"bytes"
	"net/netip"
	"os"
	"time"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/beatlink"
)

// beats hears the media for the liveness core.
type beats struct{ node *Node }

// Datagram hears one.
func (b beats) Datagram(medium string, data []byte) {
	in := b.node.stamped(liveness.Input{Kind: liveness.Datagram, Medium: medium, Data: bytes.Clone(data)})
	// One that finds no room is lost, as on the network: a flood must not take
	// all memory.
	b.node.inbox.offer(machine.Input{Part: machine.Liveness, Liveness: in})
}

// Drained hears that the sockets are empty: the core may judge the peer now.
func (b beats) Drained() { b.node.beat(liveness.Input{Kind: liveness.Tick, Drained: true}) }

// openBeats opens the media of ha.cf; the liveness core starts later. A node that
// shares its machine with its peer binds to an address and to no interface.
func (n *Node) openBeats() error {
	c := beatlink.Config{Media: n.site.HA.Media, Log: func(text string) { n.log.Warn(text) }}
	if n.options.Bind != (netip.Addr{}) {
		c.Bind = n.options.Bind
		c.Devices = map[string]string{}
		for _, m := range c.Media {
			c.Devices[m.Device] = ""
		}
	}
	var err error
	n.link, err = beatlink.Open(n.ctx, c, beats{n})
	return err
}

// beat hands the liveness core an input.
func (n *Node) beat(in liveness.Input) {
	n.inbox.put(machine.Input{Part: machine.Liveness, Liveness: n.stamped(in)})
}

// stamped adds what the liveness core writes into messages.
func (n *Node) stamped(in liveness.Input) liveness.Input {
	in.Unix = uint64(time.Now().Unix())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		in.Load = string(bytes.TrimSpace(load))
	}
	return in
}
