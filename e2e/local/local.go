// Package local runs the two nodes of the seed's files on this machine, for
// suites that need a real pair and real tools, but no real machines: disks are
// files, addresses are on loopback, and everything dies with the spec.
//
// It is for Ginkgo: what goes wrong fails the spec that asked.
package local

import (
	"context"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

// Resource is the resource of the seed's drbd.conf.
const Resource = "r1"

// DiskSize is the size of each disk in bytes, unless Options say otherwise.
const DiskSize = 32 << 20

// patience is how long a node may take for what takes it a moment: the machine
// may be busy with other suites.
const patience = time.Minute

// Options say how a pair differs from two nodes in the test's own process that
// replicate by the seed's drbd.conf and do nothing else.
type Options struct {
	// DiskSize is in bytes; 0 is the constant.
	DiskSize int64
	// Cluster is with ha.cf, haresources and authkeys: heartbeats, and a group
	// that is nothing but the role of the resource.
	Cluster bool
	// Programs makes the nodes processes, which can be killed.
	Programs *Programs
	// Replace changes files further.
	Replace []Replacement
}

// Pair is the two nodes of the seed's files.
type Pair struct{ Milo1, Milo2 *Node }

// New makes the files and the disks of a pair. Nothing runs yet, and the disks
// carry no metadata.
func New(o Options) *Pair {
	GinkgoHelper()
	if o.DiskSize == 0 {
		o.DiskSize = DiskSize
	}
	dir, network := GinkgoT().TempDir(), ownNetwork()
	node := func(name, host string) *Node {
		n := &Node{
			Name: name, Address: network + host, Dir: filepath.Join(dir, name),
			programs: o.Programs, Log: gbytes.NewBuffer(),
		}
		n.Disk = filepath.Join(n.Dir, "disk.img")
		DeferCleanup(n.end)
		return n
	}
	p := &Pair{Milo1: node("milo1", ".1"), Milo2: node("milo2", ".2")}
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		MakeDisk(n.Disk, o.DiskSize)
		p.writeFiles(n, o)
	}
	return p
}

// Connect writes metadata on both disks, starts both nodes, and returns when
// they are connected: Secondary and Inconsistent.
func (p *Pair) Connect(ctx context.Context) {
	GinkgoHelper()
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		n.CreateMD()
		n.Start(ctx)
	}
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		Eventually(n.Connection).WithContext(ctx).WithTimeout(patience).Should(Equal("Connected"),
			"%s finds its peer", n.Name)
	}
}

// Sync makes milo1 Primary by force and returns when the initial sync is over.
func (p *Pair) Sync(ctx context.Context) {
	GinkgoHelper()
	Expect(p.Milo1.Force(ctx, "primary")).To(Succeed())
	p.InSync(ctx)
}

// InSync returns when both disks are UpToDate and the nodes connected.
func (p *Pair) InSync(ctx context.Context) {
	GinkgoHelper()
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		Eventually(n.States).WithContext(ctx).WithTimeout(patience).Should(
			Equal(States{Connection: "Connected", Disk: "UpToDate", PeerDisk: "UpToDate"}),
			"a resync of a small disk ends")
	}
}

// Switch makes milo2 Primary in place of milo1.
func (p *Pair) Switch(ctx context.Context) {
	GinkgoHelper()
	Expect(p.Milo1.Order(ctx, "secondary")).To(Succeed())
	Eventually(p.Milo2.PeerRole).WithContext(ctx).WithTimeout(patience).Should(Equal("Secondary"), "milo2 hears of it")
	Expect(p.Milo2.Order(ctx, "primary")).To(Succeed())
}
