package kernel_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export/kernel"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// bytes reads hex with blanks and comments in it.
func bytes(t *testing.T, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	wantSize  = "0c00 0200 0000000001000000 # SIZE_BYTES: 4 GiB\n"
	wantDead  = "0c00 0800 5802000000000000 # DEAD_CONN_TIMEOUT: 600 s\n"
	wantName  = "0e00 0a00 706f6c6c75783a723100 0000 # BACKEND_IDENTIFIER: pollux:r1, padded\n"
	wantSocks = "1000 0700 # SOCKETS\n 0c00 0100 # SOCK_ITEM\n 0800 0100 2a000000 # SOCK_FD: 42\n"
)

func TestAttributesAreLaidOutAsTheKernelWants(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	const flags = nbd.HasFlags | nbd.SendFlush | nbd.SendFUA | nbd.SendTrim | nbd.SendWriteZeroes
	for name, tc := range map[string]struct {
		got  []byte
		want string
	}{
		"connect at an index": {
			kernel.ConnectAttributes(kernel.MakeSetup(1, 4<<30, flags, 42)),
			"0800 0100 01000000 # INDEX: 1\n" + wantSize +
				"0c00 0300 0002000000000000 # BLOCK_SIZE_BYTES: 512\n" +
				"0c00 0500 6d00000000000000 # SERVER_FLAGS\n" + wantDead + wantName + wantSocks,
		},
		"connect anywhere": {
			kernel.ConnectAttributes(kernel.MakeSetup(-1, 4<<30, nbd.HasFlags, 42)),
			wantSize + "0c00 0300 0002000000000000\n" + "0c00 0500 0100000000000000\n" + wantDead + wantName + wantSocks,
		},
		"reconfigure with a socket": {
			kernel.ReconfigureAttributes(kernel.MakeSetup(300, 4<<30, flags, 42)),
			"0800 0100 2c010000 # INDEX: 300\n" + wantSize + wantDead + wantName + wantSocks,
		},
		"reconfigure the size alone": {
			kernel.ReconfigureAttributes(kernel.MakeSetup(1, 4<<30, flags, -1)),
			"0800 0100 01000000 # INDEX: 1\n" + wantSize + wantDead + wantName,
		},
		"a whole message": {
			kernel.AppendMessage(nil, 0x1b, 7, 2, 1, []byte{8, 0, 1, 0, 1, 0, 0, 0}),
			"1c000000 1b00 0500 07000000 00000000 # 28 bytes, family, REQUEST|ACK, sequence, port\n" +
				"02 01 0000 # DISCONNECT, version\n 0800 0100 01000000 # INDEX: 1\n",
		},
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(tc.got).To(Equal(bytes(t, tc.want))) })
	}
}

const (
	answerOfConnect = "1c000000 1b00 0000 01000000 39300000 01 01 0000 0800 0100 03000000 # INDEX: 3\n"
	acknowledgement = "24000000 0200 0001 01000000 39300000 00000000 " + // no error, then the request's header
		"70000000 1b00 0500 01000000 00000000\n"
	refusal = "24000000 0200 0000 01000000 39300000 f0ffffff 70000000 1b00 0500 01000000 00000000 # -EBUSY\n"
	others  = "10000000 0300 0000 09000000 00000000 # of another request\n"
)

func TestAnswersOfTheKernel(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	for name, tc := range map[string]struct {
		datagrams []string
		index     []byte
		done      bool
		err       string
	}{
		"answer and acknowledgement": {[]string{answerOfConnect, acknowledgement}, []byte{3, 0, 0, 0}, true, ""},
		"both in one datagram":       {[]string{answerOfConnect + acknowledgement}, []byte{3, 0, 0, 0}, true, ""},
		"an acknowledgement alone":   {[]string{acknowledgement}, nil, true, ""},
		"nothing yet":                {[]string{others}, nil, false, ""},
		"a refusal":                  {[]string{refusal}, nil, true, unix.EBUSY.Error()},
		"a length beyond the datagram": {
			[]string{"ff000000 1b00 0000 01000000 00000000"},
			nil, false,
			"malformed answer of the kernel: message of 255 bytes in a datagram of 16",
		},
		"a length of nothing": {
			[]string{"00000000 1b00 0000 01000000 00000000"},
			nil, false,
			"malformed answer of the kernel: message of 0 bytes in a datagram of 16",
		},
		"an answer without a command": {
			[]string{"10000000 1b00 0000 01000000 00000000"},
			nil, false,
			"malformed answer of the kernel: 16 bytes, want at least 20",
		},
		"an acknowledgement without an error": {
			[]string{"12000000 0200 0000 01000000 00000000 0000"},
			nil, false,
			"malformed answer of the kernel: acknowledgement of 18 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var r kernel.Reply
			var err error
			for _, d := range tc.datagrams {
				if err = kernel.Read(&r, bytes(t, d), 1); err != nil {
					break
				}
			}
			if tc.err != "" {
				g.Expect(err).To(MatchError(tc.err))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(r.Done()).To(Equal(tc.done))
			index, _ := kernel.Attribute(r.Attributes(), 1)
			g.Expect(index).To(Equal(tc.index))
		})
	}
}

func TestAttributesThatAreCutShortAreNotFound(t *testing.T) {
	for _, text := range []string{"", "0800", "0800 0100 0100", "0300 0100", "0800 0200 01000000", "0500 0200 01"} {
		_, ok := kernel.Attribute(bytes(t, text), 1)
		NewWithT(t).Expect(ok).To(BeFalse(), text)
	}
}

func TestTheKernelHereKnowsItsFamilies(t *testing.T) {
	g := NewWithT(t)
	id, err := kernel.FamilyOf("nlctrl")
	if err != nil {
		t.Skipf("generic netlink does not answer here: %v", err)
	}
	g.Expect(id).To(BeEquivalentTo(unix.GENL_ID_CTRL))
	_, err = kernel.FamilyOf("no such family")
	g.Expect(err).To(MatchError(unix.ENOENT))
}

func FuzzAnswersOfTheKernel(f *testing.F) {
	f.Add([]byte{16, 0, 0, 0, 27, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{28, 0, 0, 0, 27, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 8, 0, 1, 0, 3, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, datagram []byte) {
		var r kernel.Reply
		_ = kernel.Read(&r, datagram, 1)
		_, _ = kernel.Attribute(r.Attributes(), 1)
	})
}
