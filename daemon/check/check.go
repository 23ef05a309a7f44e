// Package check says what in a node's configuration will hurt, before it does.
// Each rule is one that somebody stumbled over.
package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/driver/xen"
	"github.com/optionc/pollux/daemon/node"
)

// Host is what the rules ask of the machine that they run on.
type Host struct {
	// Interfaces has the names of the network interfaces.
	Interfaces []string
	// Bridges has the bridge of each interface that is a port of one.
	Bridges map[string]string
	// Addresses has all addresses of the machine.
	Addresses []string
	// Resolve gives the addresses of a host name.
	Resolve func(name string) ([]string, error)
	// Disk tells what is on a disk.
	Disk func(r config.Resource) Disk
	// Groups says which words of haresources mean nothing.
	Groups func(site *config.Site) error
	// Guests surveys the guests of groups; nil where that can't be asked.
	Guests func(site *config.Site) xen.Survey
	// LVM is what the host's own LVM sees, or LVMErr.
	LVM    lvm.View
	LVMErr error
	// Devices has the interface of each of Addresses.
	Devices map[string]string
	// Filters are the packet filters of the machine.
	Filters []Filter
	// HasUser and HasGroup tell whether there is one of that name or number.
	HasUser, HasGroup func(name string) bool
	// Live is what the daemon says; nil if it does not run, or LiveErr.
	Live    *node.Status
	LiveErr error
}

// Disk is what a rule may know of the disk below a resource.
type Disk struct {
	Err      error  // it can't be opened
	Metadata string // what metadata it carries; "" is none
	Problem  error  // why that metadata can't be used
	Held     error  // who has it without replication, and what cures that
	HasLVM   bool   // it carries an LVM physical volume
	PV       lvm.PV // that one
	PVErr    error  // why PV is not known
	Sectors  uint64 // size of the disk; 0 is unknown
	Room     uint64 // sectors for data beside the metadata
	Last     uint64 // sectors that the device had last; 0 is none yet
}

// Finding is one thing that a person should know.
type Finding struct {
	// Mend: it will not work like this.
	Mend  bool
	Where string
	Text  string
}

// String is the finding in a line.
func (f Finding) String() string {
	kind := "note"
	if f.Mend {
		kind = "MEND"
	}
	return fmt.Sprintf("%s  %s: %s", kind, f.Where, f.Text)
}

// Count tells how many findings have to be mended.
func Count(findings []Finding) (bad int) {
	for _, f := range findings {
		if f.Mend {
			bad++
		}
	}
	return bad
}

// checker collects findings.
type checker struct {
	site  *config.Site
	host  Host
	disks []Disk // of the site's resources
	list  []Finding
}

func (c *checker) mend(where, format string, args ...any) {
	c.list = append(c.list, Finding{true, where, fmt.Sprintf(format, args...)})
}

func (c *checker) note(where, format string, args ...any) {
	c.list = append(c.list, Finding{false, where, fmt.Sprintf(format, args...)})
}

// Site checks everything that one node can see by itself.
func Site(site *config.Site, host Host) []Finding {
	c := &checker{site: site, host: host}
	for _, w := range site.Warnings {
		c.note("configuration", "%s", w)
	}
	for _, r := range site.Resources {
		c.disks = append(c.disks, c.host.Disk(r))
	}
	for i, r := range site.Resources {
		c.resource(r, c.disks[i])
	}
	c.volumes()
	c.reach()
	if c.host.LiveErr != nil {
		c.note("polluxd", "it could not be asked: %v", c.host.LiveErr)
	}
	if site.HA == nil {
		c.note("ha.d", "no ha.cf: this node replicates, and moves nothing by itself")
		return c.list
	}
	c.cluster()
	c.readers()
	c.silence()
	c.differs()
	c.groups()
	c.guests()
	return c.list
}

func (c *checker) resource(r config.Resource, d Disk) {
	where := "resource " + r.Conf.Name
	if ip := r.Own.Address.IP; !c.site.DRBD.Global.DisableIPVerification && !c.isOwn(ip) {
		c.mend(where, "address %s of this node is on none of its interfaces", ip)
	}
	if d.Held != nil {
		c.mend(where, "%v", d.Held)
	}
	switch {
	case d.Err != nil:
		c.mend(where, "%v", d.Err)
	case d.Problem != nil:
		c.mend(where, "%v", d.Problem)
	case d.Metadata == "":
		c.mend(where, "%s carries no metadata: write it with 'pollux create-md %s'", r.Volume.Disk, r.Conf.Name)
		if d.HasLVM {
			c.note(where, "%s", keep(r, d))
		}
	}
	c.size(r, d)
	c.lvm(r, d)
}

// isOwn tells whether an address is this machine's. All of 127.0.0.0/8 are,
// though its interface has but one of them.
func (c *checker) isOwn(ip string) bool {
	address, err := netip.ParseAddr(ip)
	return err == nil && address.IsLoopback() || slices.Contains(c.host.Addresses, ip)
}

func (c *checker) cluster() {
	ha := c.site.HA
	for _, name := range ha.Nodes {
		if _, err := c.host.Resolve(name); err != nil {
			c.note("ha.cf", "node name %s does not resolve: put it into /etc/hosts on both nodes", name)
		}
	}
	for _, m := range ha.Media {
		if m.Device == "" || !m.Kind.ReachesPeer() {
			continue
		}
		if !slices.Contains(c.host.Interfaces, m.Device) {
			c.mend(fmt.Sprintf("ha.cf:%d", m.Line), "interface %s is not there (found %s); in a dom0 it is the bridge",
				m.Device, strings.Join(c.host.Interfaces, ", "))
		}
		if bridge := c.host.Bridges[m.Device]; bridge != "" {
			c.mend(fmt.Sprintf("ha.cf:%d", m.Line), "interface %s is a port of the bridge %s, which gets all packets: want %s",
				m.Device, bridge, bridge)
		}
	}
	c.note("ha.cf", "%s", cut(ha))
	if advice := unwatched(ha); advice != "" && len(c.site.Groups) > 0 {
		c.note("ha.cf", "%s", advice)
	}
}

func (c *checker) groups() {
	if err := c.host.Groups(c.site); err != nil {
		for line := range strings.Lines(err.Error()) {
			c.mend("haresources", "%s", strings.TrimSpace(line))
		}
	}
	for _, g := range c.site.Groups {
		for _, r := range g.Resources {
			if strings.HasPrefix(r.Script, "IPaddr") {
				c.note(fmt.Sprintf("haresources:%d", g.Line),
					"an address is not needed for guests that bring their own, and disturbs Xen's scripts")
			}
		}
	}
}
