package hbwire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// keysOf returns the authkeys of the captures: one key, number 1.
func keysOf(method string) hbwire.Keys {
	keys := hbwire.Keys{Current: 1}
	switch method {
	case "crc":
		keys.Keys[1] = hbwire.Key{Method: hbwire.CRC}
	case "md5":
		keys.Keys[1] = hbwire.Key{Method: hbwire.MD5, Secret: "s3cret-key"}
	case "sha1":
		keys.Keys[1] = hbwire.Key{Method: hbwire.SHA1, Secret: "s3cret-key"}
	}
	return keys
}

func TestCapturedPackets(t *testing.T) {
	total := map[hbwire.Encoding]int{}
	for path, packets := range captures(t) {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			for _, datagram := range packets {
				p, err := hbwire.Decode(datagram)
				g.Expect(err).NotTo(HaveOccurred())
				keys := keysOf(methodOf(path))
				g.Expect(keys.Verify(p)).To(Succeed())

				// Writing it again makes both digests anew, so this checks the inner one too.
				again, err := keys.Sign(p.Message, p.Encoding)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(again).To(Equal(datagram))
				g.Expect(resealed(t, p, keys)).To(Equal(datagram), "after its envelope was taken off and put on again")
				total[p.Encoding]++
			}
		})
	}
	NewWithT(t).Expect(total).To(Equal(map[hbwire.Encoding]int{hbwire.Netstring: 4995, hbwire.BareNetstring: 105}))
}

// resealed takes the envelope off a packet and puts it on again.
func resealed(t *testing.T, p hbwire.Packet, keys hbwire.Keys) []byte {
	t.Helper()
	g := NewWithT(t)
	var envelope hbwire.Envelope
	g.Expect(envelope.Open(p.Message)).To(Succeed())
	var own hbwire.Draft
	for i, f := range p.Message {
		switch f.Name {
		case "destuuid", "srcuuid", "seq", "hg", "ts", "ld", "ttl", "auth":
		case "src": // API clients put it among the message's own fields
			if p.Message[i+1].Name != "srcuuid" {
				own.Text("src", "MILO0")
			}
		default:
			own.Add(hbwire.Message{f})
		}
	}
	envelope.Add(&own)
	datagram, err := own.Sign(&keys, p.Encoding)
	g.Expect(err).NotTo(HaveOccurred())
	return datagram
}

// A vector is one packet of testdata/digest-vectors.json.
type vector struct {
	Group, Method, Encoding, Type, Note string
	Packet                              string `json:"packet_hex"`
	Trailer                             string
	Auth                                string      `json:"auth_field"`
	Classic                             string      `json:"classic_text"`
	Fields                              [][2]string // a binary one as (1)name, and hexadecimal or base64
}

type vectorFile struct {
	Vectors []vector
	ICMP    []struct {
		Packet string `json:"icmp_hex"`
	}
}

func vectors(tb testing.TB) (file vectorFile) {
	tb.Helper()
	text, err := os.ReadFile("testdata/digest-vectors.json")
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	return file
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	return b
}

func TestDigestVectors(t *testing.T) {
	for _, v := range vectors(t).Vectors {
		t.Run(v.Group+" "+v.Type, func(t *testing.T) {
			g := NewWithT(t)
			datagram := unhex(t, v.Packet)
			p, err := hbwire.Decode(datagram)
			g.Expect(err).NotTo(HaveOccurred())

			var fields [][2]string
			var signed hbwire.Message
			for _, f := range p.Message {
				name, value := f.Name, string(f.Value)
				if f.Type == hbwire.Binary {
					name, value = "(1)"+name, hex.EncodeToString(f.Value)
					if v.Encoding == "classic" {
						value = base64.StdEncoding.EncodeToString(f.Value)
					}
				}
				fields = append(fields, [2]string{name, value})
				if f.Name != hbwire.FieldAuth {
					signed.Set(f)
				}
			}
			g.Expect(fields).To(Equal(v.Fields))
			g.Expect(string(signed.AppendClassic(nil))).To(Equal(">>>\n" + v.Classic + "<<<\n"))

			keys := keysOf(v.Method)
			g.Expect(keys.Verify(p)).To(Succeed())
			g.Expect(p.Message.Text("auth")).To(Equal(v.Auth))
			encoding := map[string]hbwire.Encoding{"netstring": hbwire.Netstring, "classic": hbwire.Classic}[v.Encoding]
			g.Expect(p.Encoding).To(Equal(encoding))
			again, err := keys.Sign(signed, encoding)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again).To(Equal(datagram))
		})
	}
}

func TestPingNodesEcho(t *testing.T) {
	g := NewWithT(t)
	for _, echo := range vectors(t).ICMP {
		datagram := unhex(t, echo.Packet)[8:]
		p, err := hbwire.Decode(datagram)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keysOf("md5").Verify(p)).To(Succeed())
		var e hbwire.Envelope
		g.Expect(e.Open(p.Message)).To(Succeed())
		g.Expect(e).To(Equal(hbwire.Envelope{Source: "192.168.0.254", Time: 0x6b034a50}))
		g.Expect(keysOf("md5").Sign(p.Message, hbwire.Netstring)).To(Equal(datagram))
	}
}

func TestDecodeKeepsNothingOfTheBuffer(t *testing.T) {
	g := NewWithT(t)
	datagram := unhex(t, vectors(t).Vectors[0].Packet)
	p, err := hbwire.Decode(datagram)
	g.Expect(err).NotTo(HaveOccurred())
	clear(datagram)
	g.Expect(p.Message.Text("src")).To(Equal("milo1"))
	g.Expect(keysOf("crc").Verify(p)).To(Succeed())
}

func TestDecodeRefuses(t *testing.T) {
	deep := func(open, end, symbols string) string {
		text := open + end
		for i := range symbols {
			text = strings.ReplaceAll(text, "\n", symbols[len(symbols)-1-i:len(symbols)-i])
			text = open + "(2)n=" + text + "\n" + end
		}
		return text
	}
	symbols := "\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x0f\x10\x11\x12"
	for name, tc := range map[string]struct {
		datagram string
		want     error
	}{
		"nothing":                              {"", hbwire.ErrMalformed},
		"neither encoding":                     {"hello\n", hbwire.ErrMalformed},
		"more than 256 KiB":                    {">>>\n" + strings.Repeat("\n", 256<<10), hbwire.ErrLimit},
		"a netstring packet that is cut":       {"###\n11:(0)t=status,", hbwire.ErrMalformed},
		"a length beyond the end":              {"###\n999999:(0)t=status,%%%\n", hbwire.ErrMalformed},
		"a length that overflows":              {"###\n99999999999999999999:(0)t=status,%%%\n", hbwire.ErrMalformed},
		"a length with a leading zero":         {"###\n011:(0)t=status,%%%\n", hbwire.ErrMalformed},
		"a negative length":                    {"###\n-1:(0)t=status,%%%\n", hbwire.ErrMalformed},
		"no comma behind a field":              {"###\n11:(0)t=status;%%%\n", hbwire.ErrMalformed},
		"no type":                              {"###\n8:t=status,%%%\n", hbwire.ErrMalformed},
		"no equals sign":                       {"###\n10:(0)tstatus,%%%\n", hbwire.ErrMalformed},
		"an unknown type":                      {"###\n11:(5)t=status,%%%\n", hbwire.ErrMalformed},
		"a field twice":                        {"###\n6:(0)t=a,6:(0)t=b,%%%\n", hbwire.ErrMalformed},
		"a name with a line break":             {"###\n8:(0)a\nb=c,%%%\n", hbwire.ErrMalformed},
		"a field without name":                 {"###\n5:(0)=c,%%%\n", hbwire.ErrMalformed},
		"text with a NUL byte":                 {"###\n8:(0)t=a\x00b,%%%\n", hbwire.ErrMalformed},
		"something behind the signature":       {"###\n%%%\n10:1 e9f42509,\x00", hbwire.ErrMalformed},
		"a signature that is cut":              {"###\n%%%\n10:1 e9f4250", hbwire.ErrMalformed},
		"a classic packet that is cut":         {">>>\nt=status\n", hbwire.ErrMalformed},
		"a classic line without equals sign":   {">>>\nt\n<<<\n", hbwire.ErrMalformed},
		"a classic type that is cut":           {">>>\n(1=x\n<<<\n", hbwire.ErrMalformed},
		"a classic type that is unknown":       {">>>\n(7)t=x\n<<<\n", hbwire.ErrMalformed},
		"binary that is not base64":            {">>>\n(1)u=a?\n<<<\n", hbwire.ErrMalformed},
		"something behind the classic message": {">>>\nt=x\n<<<\n\x00t", hbwire.ErrMalformed},
		"a nested message that is cut":         {"###\n15:(2)s=###\n8:(0)t,%%%\n", hbwire.ErrMalformed},
		"something behind a nested message":    {"###\n14:(2)s=###\n%%%\nx,%%%\n", hbwire.ErrMalformed},
		"a bad field in a nested message":      {"###\n22:(2)s=###\n6:(9)a=b,%%%\n,%%%\n", hbwire.ErrMalformed},
		"a list that is none":                  {"###\n9:(3)l=2:a,,%%%\n", hbwire.ErrMalformed},
		"classic nested 16 deep":               {deep(">>>\n", "<<<\n", symbols), hbwire.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hbwire.Decode([]byte(tc.datagram))
			NewWithT(t).Expect(err).To(MatchError(tc.want))
		})
	}
	_, err := hbwire.Decode([]byte(deep(">>>\n", "<<<\n", symbols[:15])))
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "nested 15 deep")
}

func TestNestedMessagesAndLists(t *testing.T) {
	g := NewWithT(t)
	keys := keysOf("md5")
	nested := "###\n11:(0)note=a\nb,9:(3)l=1:x,,10:(1)b=\x00\xff\n\x14\x13,%%%\n"
	m := hbwire.Message{
		hbwire.Text("t", "x"),
		{Name: "s", Type: hbwire.Struct, Value: []byte(nested)},
		{Name: "z", Type: hbwire.Compressed, Value: []byte{0, 1, 2}},
	}
	text := ">>>\nt=x\n(2)s=>>>\x14note=a\x13b\x14(3)l=1:x,\x14(1)b=AP8KFBM=\x14<<<\x14\n(4)z=AAEC\n<<<\n"
	g.Expect(string(m.AppendClassic(nil))).To(Equal(text))
	p, err := hbwire.Decode([]byte(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Message).To(Equal(m))

	for _, encoding := range []hbwire.Encoding{hbwire.Netstring, hbwire.BareNetstring} {
		datagram, err := keys.Sign(m, encoding)
		g.Expect(err).NotTo(HaveOccurred())
		p, err := hbwire.Decode(datagram)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keys.Verify(p)).To(Succeed())
		g.Expect(p.Message[:len(m)]).To(Equal(m))
	}
	_, err = keys.Sign(m, hbwire.Classic)
	g.Expect(err).To(MatchError(ContainSubstring("want netstring")))
}

func TestSignRefuses(t *testing.T) {
	g := NewWithT(t)
	keys := keysOf("crc")
	_, err := keys.Sign(hbwire.Message{hbwire.Text("t", "a\x00b")}, hbwire.Netstring)
	g.Expect(err).To(MatchError(hbwire.ErrMalformed))
	_, err = keys.Sign(hbwire.Message{hbwire.Text("t=", "a")}, hbwire.Classic)
	g.Expect(err).To(MatchError(hbwire.ErrMalformed))
	_, err = keys.Sign(hbwire.Message{{Name: "b", Type: hbwire.Binary, Value: make([]byte, hbwire.MaxDatagram)}}, hbwire.Netstring)
	g.Expect(err).To(MatchError(hbwire.ErrLimit))
	for _, encoding := range []hbwire.Encoding{hbwire.Netstring, hbwire.BareNetstring, hbwire.Classic} {
		_, err = hbwire.Keys{Current: 3}.Sign(hbwire.Message{}, encoding)
		g.Expect(err).To(MatchError(hbwire.ErrUnknownKey))
	}
}

func TestVerify(t *testing.T) {
	old := hbwire.Keys{Current: 1}
	old.Keys[1] = hbwire.Key{Method: hbwire.MD5, Secret: "old"}
	rolling := old
	rolling.Current = 2
	rolling.Keys[2] = hbwire.Key{Method: hbwire.SHA1, Secret: "new"}
	changed := old
	changed.Keys[1].Secret = "changed"

	m := hbwire.Message{hbwire.Text("t", "status"), hbwire.Text("src", "milo1")}
	for _, encoding := range []hbwire.Encoding{hbwire.Netstring, hbwire.BareNetstring, hbwire.Classic} {
		g := NewWithT(t)
		signed := func(keys hbwire.Keys) hbwire.Packet {
			datagram, err := keys.Sign(m, encoding)
			g.Expect(err).NotTo(HaveOccurred())
			p, err := hbwire.Decode(datagram)
			g.Expect(err).NotTo(HaveOccurred())
			return p
		}
		g.Expect(rolling.Verify(signed(old))).To(Succeed(), "the number in the packet selects the key")
		g.Expect(rolling.Verify(signed(rolling))).To(Succeed())
		g.Expect(old.Verify(signed(rolling))).To(MatchError(hbwire.ErrUnknownKey))
		g.Expect(changed.Verify(signed(old))).To(MatchError(hbwire.ErrDigest))
	}
}

func TestVerifyRefuses(t *testing.T) {
	keys := keysOf("crc")
	for name, tc := range map[string]struct {
		datagram string
		want     error
	}{
		"netstring without signature":     {"###\n%%%\n", hbwire.ErrUnsigned},
		"an empty signature":              {"###\n%%%\n0:,", hbwire.ErrUnsigned},
		"classic without auth":            {">>>\nt=x\n<<<\n", hbwire.ErrUnsigned},
		"a signature without number":      {"###\n%%%\n8:e9f42509,", hbwire.ErrDigest},
		"a number beyond the keys":        {"###\n%%%\n11:16 e9f42509,", hbwire.ErrUnknownKey},
		"a negative number":               {"###\n%%%\n11:-1 e9f42509,", hbwire.ErrDigest},
		"a signature without digest":      {"###\n%%%\n1:1,", hbwire.ErrDigest},
		"one bit wrong in a real packet":  {flipped(t, 40), hbwire.ErrDigest},
		"a digest in upper case is wrong": {strings.Replace(flipped(t, -1), "e9f4", "E9F4", 1), hbwire.ErrDigest},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := hbwire.Decode([]byte(tc.datagram))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(keys.Verify(p)).To(MatchError(tc.want))
		})
	}
}

// flipped is a real packet with one bit changed; -1 changes none.
func flipped(t *testing.T, at int) string {
	t.Helper()
	datagram := bytes.Clone(unhex(t, vectors(t).Vectors[0].Packet))
	if at >= 0 {
		datagram[at] ^= 1
	}
	return string(datagram)
}
