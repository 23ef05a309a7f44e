package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/config"
)

// lvm finds out whether LVM would see the same physical volume twice, and use
// the wrong one before pollux comes.
func (c *checker) lvm(r config.Resource, d Disk) {
	if c.host.LVMErr != nil || !c.host.LVM.Found {
		return
	}
	view := c.host.LVM
	if hide := view.Hide(r.Volume.Disk); hide != "" {
		text := fmt.Sprintf("LVM also sees the physical volume on %s, below resource %s. pollux never lets it; to keep this host's "+
			"own commands from it: %s", r.Volume.Disk, r.Conf.Name, hide)
		if d.PV.Group != "" && view.ActivatesAtBoot(d.PV.Group) {
			text += fmt.Sprintf(". Until then a boot may make volume group %s active there, and pollux refuses the disk; that is "+
				"also ruled out by 'vgchange --setautoactivation n %s', once, where the group is active", d.PV.Group, d.PV.Group)
		}
		c.note("lvm.conf", "%s", text)
	}
	above := view.Judge(r.Volume.Device)
	switch {
	case above.Accepted:
	case above.By != nil:
		c.note(fmt.Sprintf("lvm.conf:%d", above.By.Pos.Line), "LVM does not see %s, the replicated device: accept it with \"a|%s|\"",
			r.Volume.Device, r.Volume.Device)
	default:
		c.note(view.List, "LVM does not see %s, the replicated device. Your own commands need it there: 'lvmdevices --adddev %s' "+
			"on the Primary; pollux does not", r.Volume.Device, r.Volume.Device)
	}
}

// volumes compares what LVM has on the disks of all resources.
func (c *checker) volumes() {
	if c.host.LVMErr != nil {
		c.mend("lvm.conf", "%v", c.host.LVMErr)
	}
	for i, a := range c.disks {
		for j := range i {
			b, both := c.disks[j], c.site.Resources[j].Conf.Name+" and "+c.site.Resources[i].Conf.Name
			switch {
			case a.PV.UUID != "" && a.PV.UUID == b.PV.UUID:
				c.mend("resource "+c.site.Resources[i].Conf.Name, "%s carry the same physical volume, %s: one is a copy of the other, and "+
					"a group on both is refused. Give it an identity of its own, where it is Primary: 'vgimportclone --basevgname "+
					"%s_copy %s'", both, a.PV.UUID, a.PV.Group, c.site.Resources[i].Volume.Device)
			case a.PV.Group != "" && a.PV.Group == b.PV.Group && a.PV.GroupUUID != b.PV.GroupUUID:
				c.mend("resource "+c.site.Resources[i].Conf.Name, "%s carry two volume groups of the name %s. Rename this one, where it is "+
					"Primary: 'vgrename %s NAME'", both, a.PV.Group, a.PV.GroupUUID)
			}
		}
	}
	for _, g := range c.site.Groups {
		for _, word := range g.Resources {
			if word.Script == "LVM" && len(word.Args) == 1 {
				c.named(fmt.Sprintf("haresources:%d", g.Line), word.Args[0])
			}
		}
	}
}

// named finds a group that haresources calls otherwise than LVM does.
func (c *checker) named(where, group string) {
	var there []string
	for _, r := range c.site.ResourcesOf("LVM", group) {
		i := slices.IndexFunc(c.site.Resources, func(o config.Resource) bool { return o.Conf == r.Conf })
		other := c.disks[i].PV.Group
		if other == "" || other == group {
			return // not known, or there
		}
		there = append(there, fmt.Sprintf("%s has %s", r.Conf.Name, other))
	}
	if len(there) > 0 {
		c.mend(where, "there is no volume group %s: %s", group, strings.Join(there, ", "))
	}
}
