package hbwire_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

func TestMessage(t *testing.T) {
	g := NewWithT(t)
	var d hbwire.Draft
	m := d.Text("t", "status").Hex("dt", 90000).Decimal("protocol", 1).Bytes("srcuuid", []byte("0123456789abcdef")).
		Text("t", "NS_st").Message

	g.Expect(m[0]).To(Equal(hbwire.Text("t", "NS_st")), "a field that is set again keeps its place")
	g.Expect(m.Text("dt")).To(Equal("15f90"))
	g.Expect(m.Hex("dt")).To(BeNumerically("==", 90000))
	g.Expect(m.Decimal("protocol")).To(BeNumerically("==", 1))
	g.Expect(m.UUID("srcuuid")).To(Equal(hbwire.UUID([]byte("0123456789abcdef"))))
	g.Expect(m.UUID("destuuid")).To(BeZero())
	g.Expect(m.Text("srcuuid")).To(BeEmpty(), "bytes are no text")
	f, ok := m.Get("srcuuid")
	g.Expect(ok).To(BeTrue())
	g.Expect(f.Type).To(Equal(hbwire.Binary))

	_, err := m.Decimal("dt")
	g.Expect(err).To(MatchError(`field dt of "NS_st": heartbeat message lacks a valid field: ` +
		`found "15f90", want a decimal number`))
	_, err = m.Hex("seq")
	g.Expect(err).To(MatchError(hbwire.ErrField))
}

func TestSequenced(t *testing.T) {
	g := NewWithT(t)
	g.Expect(hbwire.Sequenced(hbwire.MsgStatus)).To(BeTrue())
	g.Expect(hbwire.Sequenced(hbwire.MsgAck)).To(BeFalse())
}

func TestEnvelopeOfAnOldPeerHasNoUUID(t *testing.T) {
	g := NewWithT(t)
	var d hbwire.Draft
	e := hbwire.Envelope{Source: "Milo2", Seq: 26, Generation: 0x6b03, Time: 255, Load: "0.1", TTL: 3}
	e.Add(d.Text("t", "starting"))
	g.Expect(string(d.Message.AppendClassic(nil))).
		To(Equal(">>>\nt=starting\nsrc=milo2\nseq=1a\nhg=6b03\nts=ff\nld=0.1\nttl=3\n<<<\n"))
}

func TestOpenRefuses(t *testing.T) {
	for name, m := range map[string]hbwire.Message{
		"no type":     {hbwire.Text("src", "milo1"), hbwire.Hex("ts", 1), hbwire.Hex("seq", 1)},
		"no sender":   {hbwire.Text("t", "status"), hbwire.Hex("ts", 1), hbwire.Hex("seq", 1)},
		"no time":     {hbwire.Text("t", "NS_st"), hbwire.Text("src", "milo1")},
		"time zero":   {hbwire.Text("t", "NS_st"), hbwire.Text("src", "milo1"), hbwire.Hex("ts", 0)},
		"no sequence": {hbwire.Text("t", "status"), hbwire.Text("src", "milo1"), hbwire.Hex("ts", 1)},
		"a bad generation": {
			hbwire.Text("t", "NS_st"), hbwire.Text("src", "milo1"), hbwire.Hex("ts", 1),
			hbwire.Text("hg", "0x12"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var e hbwire.Envelope
			NewWithT(t).Expect(e.Open(m)).To(MatchError(hbwire.ErrField))
		})
	}
}

func TestMessagesAreWrittenAndReadInMemoryOfTheLastOne(t *testing.T) {
	g := NewWithT(t)
	keys := hbwire.Keys{Current: 1}
	keys.Keys[1] = hbwire.Key{Method: hbwire.CRC}
	var d hbwire.Draft
	var fields hbwire.Message
	var e hbwire.Envelope
	var kept []hbwire.Message
	beat := func() {
		own := hbwire.Envelope{Source: "milo1", Seq: e.Seq + 1, Generation: 7, Time: 1_700_000_000, Load: "0.10 0.20", TTL: 3}
		own.Add(d.New().Text("t", "status").Text("st", "active").Hex("dt", 90000))
		datagram, err := d.Sign(&keys, hbwire.Netstring)
		g.Expect(err).NotTo(HaveOccurred())
		p, err := hbwire.DecodeIn(fields, datagram)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keys.Verify(p)).To(Succeed())
		g.Expect(e.Open(p.Message)).To(Succeed())
		g.Expect(e).To(Equal(own))
		fields = p.Message
		kept = append(kept, d.Message.Clone())
	}
	beat()
	beat()
	g.Expect(kept[0].Hex("seq")).To(BeNumerically("==", 1), "a clone stays as it is")
	g.Expect(kept[1].Hex("seq")).To(BeNumerically("==", 2))
}

func TestSecretsDoNotPrint(t *testing.T) {
	g := NewWithT(t)
	key := hbwire.Key{Method: hbwire.SHA1, Secret: "s3cret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		g.Expect(fmt.Sprintf(verb, key)).To(And(ContainSubstring("(hidden)"), Not(ContainSubstring("s3cret"))), verb)
	}
}
