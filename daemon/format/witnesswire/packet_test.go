package witnesswire_test

import (
	"bytes"
	"fmt"
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
		"nothing":              nil,
		"a packet cut short":   whole[:len(whole)-1],
		"one with more behind": append(bytes.Clone(whole), 0),
		"an answer":            answer.Append(nil),
		"another version":      append([]byte{3}, whole[1:]...),
		"few groups in the form of many": append([]byte{2}, bytes.Replace(whole, []byte("milo1\x02"),
			[]byte("milo1\x00\x02"), 1)[1:]...),
		"more groups than there": bytes.Replace(whole, []byte("milo1\x02"), []byte("milo1\x41"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := witnesswire.DecodeAsk(b)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

// many is a question with so many groups.
func many(groups int) (a witnesswire.Ask) {
	a = ask
	a.Groups = nil
	for i := range groups {
		a.Groups = append(a.Groups, witnesswire.Group{Flags: witnesswire.Want, Name: fmt.Sprint("r", i)})
	}
	return a
}

func TestManyGroupsAreOfAVersionOfTheirOwn(t *testing.T) {
	for groups, want := range map[int]string{
		64: "\x01\x01", 65: "\x02\x01", 500: "\x02\x01", 1024: "\x02\x01",
	} {
		g := NewWithT(t)
		b := many(groups).Append(nil)
		g.Expect(string(b[:2])).To(Equal(want), "%d groups", groups)
		g.Expect(witnesswire.DecodeAsk(b)).To(Equal(many(groups)))
		a := answer
		a.Groups = make([]witnesswire.Grant, groups)
		g.Expect(witnesswire.DecodeAnswer(a.Append(nil))).To(Equal(a))
	}
	_, err := witnesswire.DecodeAsk(many(1025).Append(nil))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("found 1025 groups, want 65 to 1024")))
}

func TestVerdictsHaveWords(t *testing.T) {
	g := NewWithT(t)
	g.Expect((witnesswire.Taken | witnesswire.Vouched).String()).To(Equal("the other node has it"))
	g.Expect(witnesswire.Verdict(99).String()).To(Equal("verdict 99"))
}

func FuzzPackets(f *testing.F) {
	f.Add(ask.Append(nil))
	f.Add(answer.Append(nil))
	f.Add(many(65).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := witnesswire.DecodeAsk(b); err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("decoded %+v from %x", a, b)
		}
		if a, err := witnesswire.DecodeAnswer(b); err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("decoded %+v from %x", a, b)
		}
	})
}
