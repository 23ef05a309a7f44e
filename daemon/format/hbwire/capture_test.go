package hbwire_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/pcap"
)

// captures reads the UDP payloads of every file under testdata/captures, by path below it.
func captures(tb testing.TB) map[string][][]byte {
	tb.Helper()
	g := NewWithT(tb)
	all := map[string][][]byte{}
	root := os.DirFS("testdata/captures")
	g.Expect(fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := root.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			return err
		}
		capture, err := io.ReadAll(unpacked)
		all[path] = udpPayloads(tb, capture)
		return err
	})).To(Succeed())
	return all
}

// udpPayloads are those of a recording.
func udpPayloads(tb testing.TB, capture []byte) (payloads [][]byte) {
	tb.Helper()
	g := NewWithT(tb)
	frames, err := pcap.Read(capture)
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range frames {
		s, ok := f.Segment()
		g.Expect(ok && s.Protocol == pcap.UDP).To(BeTrue(), "frame %d", f.Number)
		payloads = append(payloads, s.Data)
	}
	return payloads
}

// methodOf says which authkeys a capture was made with.
func methodOf(path string) string {
	set, rest, _ := strings.Cut(path, "/")
	switch {
	case set != "extra":
		return set
	case strings.HasPrefix(rest, "msgfmt-netstring"):
		return "md5"
	default:
		return "crc"
	}
}
