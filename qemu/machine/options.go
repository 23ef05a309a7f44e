package machine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anatol/vmtest"

	"github.com/optionc/pollux/qemu/agent"
)

// What kernels are told. Under emulation they save work that only guards
// against hardware that is not there.
const (
	quickArgs = "quiet panic=-1 mitigations=off init_on_alloc=0 rodata=off audit=0 apparmor=0 cryptomgr.notests noresume nokaslr"
	xenArgs   = "console=com2 com2=115200,8n1 dom0_mem=416M,max:416M spec-ctrl=no xpti=no"
)

// Memory that the images need, in MiB.
const (
	plainMemory = 384
	dom0Memory  = 576
)

// options is QEMU's command line.
func options(m *Machine, a Accel) *vmtest.QemuOptions {
	c := m.config
	o := &vmtest.QemuOptions{Architecture: tethered, Kernel: c.Image.Kernel, InitRamFs: c.Image.Initrd, Timeout: c.Lifetime}
	if o.Timeout == 0 {
		o.Timeout = lifetime
	}
	identity := []string{"pollux.host=" + c.Name}
	if c.Address != "" {
		identity = append(identity, "pollux.address="+c.Address)
	}
	if c.Image.GuestDisk != "" {
		identity = append(identity, "pollux.disk=guests")
	}
	for _, d := range c.Disks {
		identity = append(identity, "pollux.disk="+d.Name)
	}
	memory := plainMemory
	if c.Image.Xen == "" {
		o.Append = slices.Concat([]string{"console=ttyS1,115200", quickArgs}, identity, a.linuxArgs)
	} else {
		memory = dom0Memory
		linux := append([]string{c.Image.Kernel, "console=hvc0", quickArgs}, identity...)
		o.Kernel, o.InitRamFs = c.Image.Xen, strings.Join(linux, " ")+","+c.Image.Initrd
		o.Append = []string{xenArgs}
	}
	if c.Memory != 0 {
		memory = c.Memory
	}
	o.Params = append([]string{
		"-accel", a.qemu, "-machine", "q35", "-cpu", a.cpu(c.Image.Xen != ""), "-smp", "1", "-m", fmt.Sprint(memory),
		"-nodefaults", "-no-user-config", "-pidfile", m.path("pid"), "-D", m.path("qemu"), "-name", c.Name,
		// The first serial port is vmtest's; nobody scrapes a console here.
		"-serial", "file:" + m.path("console"),
		"-chardev", "socket,id=qmp,path=" + m.path("qmp"), "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=agent,path=" + m.path("agent"),
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=" + agent.PortName,
	}, devices(c)...)
	if c.Watchdog {
		o.Params = append(o.Params, "-device", "i6300esb", "-action", "watchdog=reset")
	}
	if c.Counted {
		o.Params = append(o.Params, "-icount", "shift=0,sleep=off")
	}
	return o
}

// devices are a machine's disks and its card.
func devices(c Config) []string {
	var p []string
	if c.Image.GuestDisk != "" {
		p = append(p, "-drive", "if=none,id=guests,format=raw,readonly=on,file="+c.Image.GuestDisk,
			"-device", "virtio-blk-pci,drive=guests,serial=guests")
	}
	for i, d := range c.Disks {
		id := fmt.Sprintf("disk%d", i)
		p = append(p, "-drive", fmt.Sprintf("if=none,id=%s,format=raw,cache=none,discard=unmap,file=nbd+unix:///?socket=%s", id, d.Socket))
		if d.FUA {
			p = append(p, "-device", fmt.Sprintf("virtio-scsi-pci,id=bus%d", i),
				"-device", fmt.Sprintf("scsi-hd,bus=bus%d.0,drive=%s,serial=%s,dpofua=on", i, id, d.Name))
			continue
		}
		p = append(p, "-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", id, d.Name))
	}
	if c.Cable != "" {
		p = append(p, "-netdev", "stream,id=net,server=off,addr.type=unix,addr.path="+c.Cable,
			"-device", "virtio-net-pci,romfile=,netdev=net,mac="+c.MAC)
	}
	return p
}
