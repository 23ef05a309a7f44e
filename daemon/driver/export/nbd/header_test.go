package nbd_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// What a Linux kernel sends to read 4 KiB at byte 8192, and its answer.
const (
	wireRequest = "\x25\x60\x95\x13\x00\x01\x00\x00cookie!!\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00\x10\x00"
	wireReply   = "\x67\x44\x66\x98\x00\x00\x00\x05cookie!!"
)

func TestHeaders(t *testing.T) {
	g := NewWithT(t)
	request := nbd.Request{
		Flags: nbd.FUA, Command: nbd.CommandRead, Cookie: 0x636f6f6b69652121, Offset: 8192, Length: 4096,
	}
	g.Expect(string(request.Append(nil))).To(Equal(wireRequest))
	g.Expect(nbd.DecodeRequest((*[nbd.RequestSize]byte)([]byte(wireRequest)))).To(Equal(request))
	reply := nbd.Reply{Error: nbd.EIO, Cookie: 0x636f6f6b69652121}
	g.Expect(string(reply.Append(nil))).To(Equal(wireReply))
	g.Expect(nbd.DecodeReply((*[nbd.ReplySize]byte)([]byte(wireReply)))).To(Equal(reply))

	_, err := nbd.DecodeRequest(new([nbd.RequestSize]byte))
	g.Expect(err).To(MatchError("request starts with 0x00000000, want 0x25609513: wrong magic number"))
	_, err = nbd.DecodeReply(new([nbd.ReplySize]byte))
	g.Expect(err).To(MatchError(nbd.ErrMagic))
}

func TestErrorsHaveNames(t *testing.T) {
	g := NewWithT(t)
	g.Expect(nbd.ENOSPC.Error()).To(Equal("no space left on device"))
	g.Expect(nbd.ReplyError(99).Error()).To(Equal("NBD error 99"))
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte(wireRequest))
	f.Add([]byte(wireReply + "            "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < nbd.RequestSize {
			return
		}
		if r, err := nbd.DecodeRequest((*[nbd.RequestSize]byte)(b)); err == nil {
			if again := r.Append(nil); !bytes.Equal(again, b[:nbd.RequestSize]) {
				t.Errorf("decoded %+v\n from %x\n back %x", r, b, again)
			}
		}
		if r, err := nbd.DecodeReply((*[nbd.ReplySize]byte)(b)); err == nil {
			if again := r.Append(nil); !bytes.Equal(again, b[:nbd.ReplySize]) {
				t.Errorf("decoded %+v\n from %x\n back %x", r, b, again)
			}
		}
	})
}
