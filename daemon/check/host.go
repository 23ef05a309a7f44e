package check

import (
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/driver/xen"
	"github.com/optionc/pollux/daemon/node"
)

// Machine is the machine that this program runs on. What else is to be known
// of it is asked of the programs that run starts.
func Machine(ctx context.Context, run command.Runner) Host {
	h := Host{
		Resolve: net.LookupHost, Groups: node.CheckGroups, Bridges: map[string]string{}, Devices: map[string]string{},
		Disk: func(r config.Resource) Disk { return Look(ctx, run, r) },
		Guests: func(site *config.Site) xen.Survey {
			return xen.Look(ctx, xen.Guests{Run: run}, site.GuestDirs(), site.Displaced())
		},
		Filters: filters(ctx, run), HasUser: hasUser, HasGroup: hasGroup,
	}
	if list, err := net.Interfaces(); err == nil {
		for _, i := range list {
			h.Interfaces = append(h.Interfaces, i.Name)
			if bridge, err := os.Readlink(filepath.Join("/sys/class/net", i.Name, "brport/bridge")); err == nil {
				h.Bridges[i.Name] = filepath.Base(bridge)
			}
			addresses, err := i.Addrs()
			if err != nil {
				continue
			}
			for _, a := range addresses {
				if ip, _, err := net.ParseCIDR(a.String()); err == nil {
					h.Addresses = append(h.Addresses, ip.String())
					h.Devices[ip.String()] = i.Name
				}
			}
		}
	}
	h.LVM, h.LVMErr = lvm.Look("")
	return h
}

func hasUser(name string) bool {
	_, err := user.Lookup(name)
	if err != nil {
		_, err = user.LookupId(name)
	}
	return err == nil
}

func hasGroup(name string) bool {
	_, err := user.LookupGroup(name)
	if err != nil {
		_, err = user.LookupGroupId(name)
	}
	return err == nil
}

// Look looks at the disk of a resource, and asks LVM what it has there.
func Look(ctx context.Context, run command.Runner, r config.Resource) Disk {
	f, err := os.Open(r.Volume.Disk)
	if err != nil {
		return Disk{Err: err}
	}
	defer func() { _ = f.Close() }()
	label := make([]byte, 8)
	// The label of a physical volume is in its second sector.
	_, err = f.ReadAt(label, 512)
	d := Disk{HasLVM: err == nil && string(label) == "LABELONE"}
	d.Held = node.Below(r).Held("")
	d.Metadata, d.Problem = node.Metadata(r)
	if d.Sectors, err = node.Sectors(r.Volume.Disk); err == nil {
		d.Room, d.Last, err = node.Room(r)
	}
	if err != nil {
		d.Room = 0 // Problem says the same
	}
	if d.HasLVM {
		d.PV, d.PVErr = lvm.Physical(ctx, run, r.Volume.Disk)
	}
	return d
}
