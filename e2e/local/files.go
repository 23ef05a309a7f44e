package local

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// seed are the configuration files of the page that pollux started from, as
// they stand there.
//
//go:embed seed
var seed embed.FS

// Ports of both nodes; each pair has addresses of its own.
const (
	// DRBDPort is the seed's, for the connection of its resource.
	DRBDPort = 7789
	// BeatPort is for heartbeats; the usual one, 694, needs root.
	BeatPort = 6940
)

// A Replacement is one thing in which a node's file differs from the seed's.
type Replacement struct {
	Node string // "" is both
	File string // drbd.conf, ha.cf, haresources or authkeys
	Old  string // every one of them is replaced, and there must be one
	With string
}

// replacements turn the seed's files into files for two nodes on one machine
// that need not wait for long.
func (p *Pair) replacements() []Replacement {
	r := func(file, old, with string) Replacement { return Replacement{File: file, Old: old, With: with} }
	return []Replacement{
		r("drbd.conf", "192.168.0.1:", p.Milo1.Address+":"),
		r("drbd.conf", "192.168.0.2:", p.Milo2.Address+":"),
		r("drbd.conf", "/dev/sda3", p.Milo1.Disk),
		r("drbd.conf", "/dev/hdd3", p.Milo2.Disk),
		r("drbd.conf", "rate 10M", "rate 100M"),
		r("ha.cf", "keepalive 5", "keepalive 250ms"),
		r("ha.cf", "deadtime 90", fmt.Sprintf("deadtime 3\nudpport %d", BeatPort)),
		r("ha.cf", "xen-br0 192.168.0.1", "lo "+p.Milo1.Address),
		r("ha.cf", "xen-br0 192.168.0.2", "lo "+p.Milo2.Address),
		r("haresources", " LVM::vg xenHA", ""),
	}
}

// writeFiles puts a node's configuration into a directory of its own.
func (p *Pair) writeFiles(n *Node, o Options) {
	GinkgoHelper()
	names := []string{"drbd.conf"}
	if o.Cluster {
		names = append(names, "ha.cf", "haresources", "authkeys")
	}
	list := append(p.replacements(), o.Replace...)
	for _, name := range names {
		text, err := seed.ReadFile("seed/" + name)
		Expect(err).NotTo(HaveOccurred())
		n.WriteFile(name, string(text))
		for _, r := range list {
			if r.File == name && (r.Node == "" || r.Node == n.Name) {
				n.Replace(name, r.Old, r.With)
			}
		}
	}
}

// Path is where a node has a file of that name.
func (n *Node) Path(name string) string {
	if name == "drbd.conf" {
		return filepath.Join(n.ConfigDir(), name)
	}
	return filepath.Join(n.ConfigDir(), "ha.d", name)
}

// WriteFile gives a node a file of the seed's names with another text.
func (n *Node) WriteFile(name, text string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(n.Path(name)), 0o755)).To(Succeed())
	Expect(os.WriteFile(n.Path(name), []byte(text), 0o600)).To(Succeed())
}

// Replace changes a node's file.
func (n *Node) Replace(name, old, with string) {
	GinkgoHelper()
	text, err := os.ReadFile(n.Path(name))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(text)).To(ContainSubstring(old))
	n.WriteFile(name, strings.ReplaceAll(string(text), old, with))
}

// ownNetwork finds a network on loopback that no other suite uses, and keeps
// it: what it returns are the first three numbers of its addresses.
func ownNetwork() string {
	GinkgoHelper()
	for range 100 {
		network := fmt.Sprintf("127.%d.%d", 64+rand.IntN(128), rand.IntN(256))
		held, err := net.Listen("tcp", fmt.Sprintf("%s.254:%d", network, DRBDPort))
		if err != nil {
			continue
		}
		DeferCleanup(held.Close)
		return network
	}
	Fail("found no network on loopback that is free: 127.0.0.0/8 must be on lo")
	return ""
}
