package hbwire_test

import (
	"bytes"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// FuzzDecode: no packet makes Decode panic, and what it accepts can be written and read again, the same.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f).Vectors {
		f.Add(unhex(f, v.Packet))
	}
	f.Add([]byte("###\n41:(2)s=###\n21:(3)l=1:x,6:(0)t,2:yz,,%%%\n,%%%\n"))
	f.Add([]byte(">>>\nt=x\n(2)s=>>>\x14note=a\x13b\x14(3)l=1:x,\x14(1)b=AP8KFBM=\x14<<<\x14\n(4)z=AAEC\n<<<\n"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		p, err := hbwire.Decode(datagram)
		if err != nil {
			return
		}
		g := NewWithT(t)
		if p.Encoding == hbwire.Netstring {
			p.Encoding = hbwire.BareNetstring // Sign moves the field auth to the end
		}
		_, hadAuth := p.Message.Get("auth")
		keys := keysOf("crc")
		again, err := keys.Sign(p.Message, p.Encoding)
		if errors.Is(err, hbwire.ErrLimit) || p.Encoding == hbwire.Classic && err != nil {
			return // too long for a datagram, or of a type that classic packets should not carry
		}
		g.Expect(err).NotTo(HaveOccurred())
		if end := bytes.LastIndex(again, []byte("%%%\n")); p.Encoding == hbwire.BareNetstring && !hadAuth {
			g.Expect(bytes.HasPrefix(datagram, again[:end])).To(BeTrue(), "%q", again)
		}
		q, err := hbwire.Decode(again)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keys.Verify(q)).To(Succeed())
		g.Expect(withoutAuth(q.Message)).To(Equal(withoutAuth(p.Message)))
	})
}

// FuzzVerify: a packet with changed bytes is never taken for a real one.
func FuzzVerify(f *testing.F) {
	sent := vectors(f).Vectors
	for i := range sent {
		f.Add(uint(i), uint(60), byte(1))
	}
	f.Fuzz(func(t *testing.T, which, at uint, change byte) {
		v := sent[which%uint(len(sent))]
		datagram := unhex(t, v.Packet)
		i := at % uint(len(datagram))
		datagram[i] ^= change
		if change == 0 {
			return
		}
		p, err := hbwire.Decode(datagram)
		if err == nil && keysOf(v.Method).Verify(p) == nil {
			t.Errorf("byte %d of %s %s changed by %#x, and still verified: %q", i, v.Group, v.Type, change, datagram)
		}
	})
}

func withoutAuth(m hbwire.Message) (rest hbwire.Message) {
	for _, f := range m {
		if f.Name != "auth" {
			rest.Set(f)
		}
	}
	return rest
}
