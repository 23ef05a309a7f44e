package node

import (
	"github.com/optionc/pollux/daemon/driver/pingnode"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// openPings makes ready to ask the ping nodes of ha.cf. Without them the cluster works as well: that they can't be asked is a
// warning.
func (n *Node) openPings() {
	c := pingnode.Config{
		Media: n.site.HA.Media, Keepalive: n.site.HA.Keepalive, Deadtime: n.site.HA.Deadping, Keys: n.site.Keys,
		Encoding: hbwire.Netstring,
		Log:      func(text string) { n.log.Warn(text) },
		Changed: func(name, state string) {
			if state == pingnode.Alive {
				n.tell("ping node %s answers", name)
			} else {
				n.tell("ping node %s does not answer: silent for %.1f s", name, n.site.HA.Deadping.Seconds())
			}
		},
	}
	if n.site.HA.BareNetstring {
		c.Encoding = hbwire.BareNetstring
	}
	var err error
	if n.pings, err = pingnode.Open(c); err != nil {
		n.log.Warn("they are not asked", "error", err)
	}
}

// ping begins to ask them.
func (n *Node) ping() {
	if n.pings != nil {
		n.working.Go(func() { n.pings.Run(n.ctx) })
	}
}

// pingMembers are the ping nodes, in the words of cl_status: each has one link, of its own name.
func (n *Node) pingMembers() (nodes []Member) {
	states := map[string]string{}
	for _, s := range n.pings.States() {
		states[s.Name] = s.State
	}
	for _, m := range n.site.HA.Media {
		if m.Kind.ReachesPeer() {
			continue
		}
		s := Member{Name: m.Address, Type: TypePing, State: pingnode.Init}
		if state := states[m.Address]; state != "" {
			s.State = state
		}
		s.Links = []LinkStatus{{Medium: m.Address, Up: s.State == pingnode.Alive}}
		nodes = append(nodes, s)
	}
	return nodes
}
