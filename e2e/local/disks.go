package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/node"
)

// MakeDisk fills a file with noise that is the same for no two of them, so
// that blocks that were never copied show. Its blocks are there when the first
// write comes, as on a partition.
func MakeDisk(path string, size int64) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	f, err := os.Create(path)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	var key [32]byte
	for i := range key {
		key[i] = byte(rand.Uint32())
	}
	_, err = io.CopyN(f, rand.NewChaCha8(key), size)
	Expect(err).NotTo(HaveOccurred())
	Expect(f.Sync()).To(Succeed())
}

// CreateMD writes fresh metadata on the node's disk.
func (n *Node) CreateMD() {
	GinkgoHelper()
	site, err := config.Load(n.ConfigDir(), n.Name)
	Expect(err).NotTo(HaveOccurred())
	_, err = node.Format(site.Resources[0], rand.Uint64(), node.Striping{})
	Expect(err).NotTo(HaveOccurred())
}

// blockSize is what two disks are compared by.
const blockSize = 4096

// DataSize is the size of the replicated device, in bytes: what the metadata
// leave of a disk.
func (p *Pair) DataSize() int64 {
	GinkgoHelper()
	info, err := os.Stat(p.Milo1.Disk)
	Expect(err).NotTo(HaveOccurred())
	layout, err := drbdmeta.Internal(uint64(info.Size())/drbdmeta.SectorSize, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	return int64(layout.DataSectors) * drbdmeta.SectorSize
}

// Different gives the numbers of the blocks of 4096 bytes in which the data
// areas of both disks differ, at most the first ten.
func (p *Pair) Different() []int64 {
	GinkgoHelper()
	a, b := p.Milo1.openDisk(), p.Milo2.openDisk()
	defer func() { _, _ = a.Close(), b.Close() }()
	var list []int64
	ba, bb := make([]byte, blockSize), make([]byte, blockSize)
	end := p.DataSize()
	for at := int64(0); at < end && len(list) < 10; at += blockSize {
		n := min(blockSize, end-at)
		_, err := a.ReadAt(ba[:n], at)
		Expect(err).NotTo(HaveOccurred())
		_, err = b.ReadAt(bb[:n], at)
		Expect(err).NotTo(HaveOccurred())
		if !bytes.Equal(ba[:n], bb[:n]) {
			list = append(list, at/blockSize)
		}
	}
	return list
}

func (n *Node) openDisk() *os.File {
	GinkgoHelper()
	f, err := os.Open(n.Disk)
	Expect(err).NotTo(HaveOccurred())
	return f
}

// Files has a digest of every file of the node, by its name below Dir: for
// what must leave no trace.
func (n *Node) Files() map[string]string {
	GinkgoHelper()
	files := map[string]string{}
	Expect(filepath.WalkDir(n.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		digest := sha256.New()
		_, err = io.Copy(digest, f)
		files[strings.TrimPrefix(path, n.Dir+"/")] = hex.EncodeToString(digest.Sum(nil))
		return err
	})).To(Succeed())
	return files
}
