package check

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/node"
)

// resourceNow is what the running daemon says of a resource; nil if it does
// not run.
func (c *checker) resourceNow(name string) *node.ResourceStatus {
	if c.host.Live == nil {
		return nil
	}
	for i := range c.host.Live.Resources {
		if r := &c.host.Live.Resources[i]; r.Name == name {
			return r
		}
	}
	return nil
}

// connected tells whether the peer is connected at this moment.
func (c *checker) connected(resource string) bool {
	r := c.resourceNow(resource)
	return r != nil && r.PeerRole != "Unknown"
}

// heard tells whether heartbeats of the peer come over an interface at this
// moment.
func (c *checker) heard(device string) bool {
	if c.host.Live == nil || c.host.Live.Cluster == nil {
		return false
	}
	for _, l := range c.host.Live.Cluster.Links {
		if l.Medium == device && l.Up {
			return true
		}
	}
	return false
}

// silence finds media over which nothing comes, while the peer is there.
func (c *checker) silence() {
	live := c.host.Live
	if live == nil || live.Cluster == nil {
		return
	}
	var linked []string
	for _, r := range live.Resources {
		if c.connected(r.Name) {
			linked = append(linked, r.Name)
		}
	}
	if len(linked) == 0 {
		return
	}
	for _, l := range live.Cluster.Links {
		if l.Up {
			continue
		}
		text := fmt.Sprintf("%s is connected to %s, but no heartbeat of %s comes over %s: a firewall between the nodes drops UDP "+
			"port %s, its ha.cf says another way, or polluxd does not run there", strings.Join(linked, ", "), live.Peer, live.Peer,
			l.Medium, c.ports(l.Medium))
		if live.Cluster.CommsUp {
			c.mend("ha.cf", "%s", text)
		} else {
			c.note("ha.cf", "%s; if it just started, look again in a moment", text)
		}
	}
}

// ports are the ports that heartbeats use on an interface.
func (c *checker) ports(device string) string {
	var list []string
	for _, m := range c.site.HA.Media {
		if m.Device == device && m.Port != 0 {
			if port := fmt.Sprint(m.Port); len(list) == 0 || list[len(list)-1] != port {
				list = append(list, port)
			}
		}
	}
	return strings.Join(list, ", ")
}

// readers finds out who but root may ask for the status: the page's author
// could not run cl_status as another user.
func (c *checker) readers() {
	users, groups := c.site.Readers()
	var missing []string
	for _, name := range users {
		if name == "root" || name == "0" {
			continue
		}
		if c.host.HasUser(name) {
			return
		}
		missing = append(missing, "user "+name)
	}
	for _, name := range groups {
		if c.host.HasGroup(name) {
			return
		}
		missing = append(missing, "group "+name)
	}
	c.note("ha.cf", "only root may ask polluxd for its status: apiauth lets %s do it too, and this host has none of these. For "+
		"others, who still may give no orders: 'groupadd --system haclient', 'usermod --append --groups haclient USER'; or in "+
		"ha.cf 'apiauth cl_status gid=GROUP'. Then start polluxd anew", strings.Join(missing, " and "))
}

// differs tells which files the peer has otherwise. haresources and the guests'
// files are compared without comments, drbd.conf as it stands.
func (c *checker) differs() {
	if c.host.Live == nil || c.host.Live.Cluster == nil {
		return
	}
	for _, name := range c.host.Live.Cluster.Differs {
		switch name {
		case "haresources":
			c.mend(name, "%s has another one: the nodes may start a group twice, or in no place. Copy it to both, and start polluxd "+
				"anew where it changed", c.site.Peer)
		case "xen/ha.d":
			c.mend(name, "%s has other files of guests: what moves there is another guest than the one that left. Compare %s and "+
				"copy it to both", c.site.Peer, strings.Join(c.site.GuestDirs(), ", "))
		default:
			c.note(name, "%s has another one, or differs in its spaces or comments: copy it to both, so that nobody has to compare",
				c.site.Peer)
		}
	}
}
