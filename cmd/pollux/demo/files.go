package demo

import (
	"embed"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// seed are the configuration files of the page that pollux started from, as
// they stand there.
//
//go:embed seed
var seed embed.FS

// A replacement is one thing in which the demo's files differ from the page's.
type replacement struct{ file, old, with, why string }

// replacements turn the page's files into files for two nodes on one machine.
func (d *demo) replacements() ([]replacement, error) {
	port, err := freePort("tcp")
	if err != nil {
		return nil, err
	}
	beat, err := freePort("udp")
	if err != nil {
		return nil, err
	}
	return []replacement{
		{"drbd.conf", "192.168.0.1:7789", fmt.Sprintf("%s:%d", d.a.address, port), "address"},
		{"drbd.conf", "192.168.0.2:7789", fmt.Sprintf("%s:%d", d.b.address, port), "address"},
		{"drbd.conf", "/dev/sda3", d.a.disk, "disk"},
		{"drbd.conf", "/dev/hdd3", d.b.disk, "disk"},
		{"ha.cf", "keepalive 5", "keepalive 500ms", "timer"},
		{"ha.cf", "deadtime 90", fmt.Sprintf("deadtime 5\nudpport %d", beat), "timer; a port that needs no root"},
		{"ha.cf", "xen-br0 192.168.0.1", "lo " + d.a.address, "address"},
		{"ha.cf", "xen-br0 192.168.0.2", "lo " + d.b.address, "address"},
	}, nil
}

// freePort finds a port that nobody uses on loopback.
func freePort(network string) (int, error) {
	if network == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return 0, err
		}
		defer func() { _ = c.Close() }()
		return portOf(c.LocalAddr())
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return portOf(l.Addr())
}

func portOf(a net.Addr) (int, error) {
	address, err := netip.ParseAddrPort(a.String())
	return int(address.Port()), err
}

// list prints what was replaced.
func (d *demo) list(replaced []replacement) {
	for _, r := range replaced {
		d.say("  %-12s %-20s -> %s (%s)", r.file, r.old, strings.ReplaceAll(r.with, "\n", "; "), r.why)
	}
}

// writeFiles puts the configuration where the node's daemon reads it.
func (h *host) writeFiles(list []replacement) error {
	for _, name := range []string{"drbd.conf", "ha.cf", "haresources", "authkeys"} {
		text, err := seed.ReadFile("seed/" + name)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.file != name {
				continue
			}
			if !strings.Contains(string(text), r.old) {
				return fmt.Errorf("%s: found no %q to replace", name, r.old)
			}
			text = []byte(strings.ReplaceAll(string(text), r.old, r.with))
		}
		path := filepath.Join(h.etc(), name)
		if name != "drbd.conf" {
			path = filepath.Join(h.etc(), "ha.d", name)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// makeDisk fills a file with zeros: its blocks are there when the first write
// comes, as on a partition.
func makeDisk(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for done := int64(0); done < size; done += int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
