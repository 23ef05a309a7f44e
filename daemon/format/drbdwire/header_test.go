package drbdwire_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// unhex reads hex digits with spaces between them.
func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes   string
		version int
		header  drbdwire.Header
		format  drbdwire.HeaderFormat
	}{
		"the first packet of a data socket": {
			bytes:  "83740267 fff2 0000",
			header: drbdwire.Header{Command: drbdwire.CmdInitialData}, format: drbdwire.H80,
		},
		"the first packet of a meta socket": {
			bytes:  "83740267 fff1 0000",
			header: drbdwire.Header{Command: drbdwire.CmdInitialMeta}, format: drbdwire.H80,
		},
		"features are always in the oldest header": {
			bytes:  "83740267 fffe 0048",
			header: drbdwire.Header{Command: drbdwire.CmdFeatures, Length: 72}, format: drbdwire.H80,
		},
		"a ping of version 101": {
			bytes: "8620ec20 0000 0013 00000000 00000000", version: 101,
			header: drbdwire.Header{Command: drbdwire.CmdPing}, format: drbdwire.H100,
		},
		"a write to volume 7": {
			bytes: "8620ec20 0007 0000 00001018 00000000", version: 100,
			header: drbdwire.Header{Volume: 7, Length: 24 + 4096}, format: drbdwire.H100,
		},
		"version 95 keeps the old header for 32 KiB": {
			bytes: "83740267 0000 8000", version: 95,
			header: drbdwire.Header{Length: 32768}, format: drbdwire.H80,
		},
		"version 99 has a new one for more": {
			bytes: "835a 0000 00008001", version: 99,
			header: drbdwire.Header{Length: 32769}, format: drbdwire.H95,
		},
		"version 94 knows the old header only": {
			bytes: "83740267 0000 8018", version: 94,
			header: drbdwire.Header{Length: 24 + 32768}, format: drbdwire.H80,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := unhex(t, tc.bytes)
			g.Expect(drbdwire.FormatFor(tc.version, tc.header.Length)).To(Equal(tc.format))
			g.Expect(drbdwire.AppendHeader([]byte("-"), tc.format, tc.header)).To(Equal(append([]byte("-"), b...)))
			size, err := drbdwire.HeaderSize(b[:4])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(size).To(Equal(len(b)))
			g.Expect(size).To(Equal(tc.format.Size()))
			header, format, err := drbdwire.DecodeHeader(append(b, "payload"...))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(header).To(Equal(tc.header))
			g.Expect(format).To(Equal(tc.format))
		})
	}
}

func TestBadHeaders(t *testing.T) {
	for name, tc := range map[string]struct{ bytes, err string }{
		"another protocol's greeting": {"5353482d322e302d", "5353482d, want the magic 83740267, 835a.... or 8620ec20"},
		"a byte order gone wrong":     {"67027483fff20000", "starts with 67027483"},
		"three bytes":                 {"837402", "of 3 bytes, want 4"},
		"a header cut short":          {"8620ec2000000013", "packet header of 8 bytes, want 16"},
		"an old header cut short":     {"83740267fff2", "packet header of 6 bytes, want 8"},
		"a pad that is not zero":      {"8620ec20000000130000000000000100", "ends in 00000100, want 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := drbdwire.DecodeHeader(unhex(t, tc.bytes))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.err)))
		})
	}
	_, err := drbdwire.HeaderSize([]byte("HTTP"))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("starts with 48545450")))
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"83740267fff20000", "835a000000008001", "8620ec20000700000000101800000000", "8620ec20000000130000000000000100",
	} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, format, err := drbdwire.DecodeHeader(b)
		if err != nil {
			return
		}
		if again := drbdwire.AppendHeader(nil, format, h); !bytes.Equal(again, b[:format.Size()]) {
			t.Errorf("decoded %+v\n from %x\n back %x", h, b, again)
		}
		fixed, bulk, err := drbdwire.Split(h.Command, h.Length, len(b)%65)
		if err == nil && (uint64(fixed)+uint64(bulk) != uint64(h.Length) || bulk > drbdwire.MaxData || fixed > 4088) {
			t.Errorf("%+v is split into %d and %d", h, fixed, bulk)
		}
	})
}
