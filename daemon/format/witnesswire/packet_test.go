package witnesswire_test

import (
	"bytes"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/witnesswire"
)

var ask = witnesswire.Ask{
	Incarnation: 0x0102030405060708, Sequence: 9, Lease: 30 * time.Second, Cluster: "site", Node: "milo1",
	Groups: []witnesswire.Group{{Flags: witnesswire.Want | witnesswire.Held, Name: "drbddisk::r1"}, {Name: "web"}},
}

var answer = witnesswire.Answer{
	Incarnation: 7, Sequence: 9, Lease: time.Minute,
	Groups: []witnesswire.Grant{
		{Verdict: witnesswire.Granted | witnesswire.Vouched}, {Verdict: witnesswire.Taken, Left: 1500 * time.Millisecond},
	},
}

func TestAskAsBytes(t *testing.T) {
	g := NewWithT(t)
	b := ask.Append(nil)
	g.Expect(string(b)).To(Equal("\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x75\x30" +
		"\x04site\x05milo1\x02\x03\x0cdrbddisk::r1\x00\x03web"))
	g.Expect(witnesswire.DecodeAsk(b)).To(Equal(ask))
}

func TestAnswerAsBytes(t *testing.T) {
	g := NewWithT(t)
	b := answer.Append(nil)
	g.Expect(string(b)).To(Equal("\x01\x02\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\xea\x60" +
		"\x02\x81\x00\x00\x00\x00\x02\x00\x00\x05\xdc"))
	g.Expect(witnesswire.DecodeAnswer(b)).To(Equal(answer))
}

func TestWhatIsRefused(t *testing.T) {
	whole := ask.Append(nil)
	for name, b := range map[string][]byte{
		"nothing":                nil,
		"a packet cut short":     whole[:len(whole)-1],
		"one with more behind":   append(bytes.Clone(whole), 0),
		"an answer":              answer.Append(nil),
		"another version":        append([]byte{2}, whole[1:]...),
		"more groups than there": bytes.Replace(whole, []byte("milo1\x02"), []byte("milo1\x41"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := witnesswire.DecodeAsk(b)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

func TestVerdictsHaveWords(t *testing.T) {
	g := NewWithT(t)
	g.Expect((witnesswire.Taken | witnesswire.Vouched).String()).To(Equal("the other node has it"))
	g.Expect(witnesswire.Verdict(99).String()).To(Equal("verdict 99"))
}

func FuzzPackets(f *testing.F) {
	f.Add(ask.Append(nil))
	f.Add(answer.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := witnesswire.DecodeAsk(b); err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("decoded %+v from %x", a, b)
		}
		if a, err := witnesswire.DecodeAnswer(b); err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("decoded %+v from %x", a, b)
		}
	})
}
