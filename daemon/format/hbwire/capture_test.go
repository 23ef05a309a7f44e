package hbwire_test

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
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

// udpPayloads reads a pcap file of Ethernet frames with IPv4 and UDP in little endian, microseconds.
func udpPayloads(tb testing.TB, capture []byte) (payloads [][]byte) {
	tb.Helper()
	const fileHeader, recordHeader, ethernet, udp = 24, 16, 14, 8
	g := NewWithT(tb)
	g.Expect(capture[:4]).To(Equal([]byte{0xd4, 0xc3, 0xb2, 0xa1}))
	for rest := capture[fileHeader:]; len(rest) > 0; {
		frame := rest[recordHeader : recordHeader+binary.LittleEndian.Uint32(rest[8:])]
		rest = rest[recordHeader+len(frame):]
		ip := frame[ethernet:]
		g.Expect(frame[12:ethernet]).To(Equal([]byte{8, 0}), "IPv4")
		segment := ip[int(ip[0]&15)*4:]
		payloads = append(payloads, segment[udp:binary.BigEndian.Uint16(segment[4:])])
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
