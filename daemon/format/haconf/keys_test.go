package haconf_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

func TestTheFirstAuthkeys(t *testing.T) {
	g := NewWithT(t)
	keys, err := haconf.ParseKeys("/etc/ha.d/authkeys", read(t, "testdata/seed/authkeys"), 0o600)
	g.Expect(err).NotTo(HaveOccurred())
	want := hbwire.Keys{Current: 1}
	want.Keys[1] = hbwire.Key{Method: hbwire.CRC}
	g.Expect(keys).To(Equal(want))
}

func TestAuthkeys(t *testing.T) {
	g := NewWithT(t)
	text := "# rolling\nauth 15 # the new one\n\n  1 md5 old#1 # until May\n15\tsha1 new\r\n 0 crc\n"
	keys, err := haconf.ParseKeys("authkeys", []byte(text), 0o100700)
	g.Expect(err).NotTo(HaveOccurred())
	want := hbwire.Keys{Current: 15}
	want.Keys[0] = hbwire.Key{Method: hbwire.CRC}
	want.Keys[1] = hbwire.Key{Method: hbwire.MD5, Secret: "old#1"}
	want.Keys[15] = hbwire.Key{Method: hbwire.SHA1, Secret: "new"}
	g.Expect(keys).To(Equal(want))
}

func TestAuthkeysThatOthersCanRead(t *testing.T) {
	g := NewWithT(t)
	for _, mode := range []uint32{0o644, 0o640, 0o604} {
		_, err := haconf.ParseKeys("/etc/ha.d/authkeys", []byte("auth 1\n1 crc\n"), mode)
		g.Expect(err).To(MatchError(HaveSuffix("as others can read the keys: chmod 600 /etc/ha.d/authkeys")))
	}
	_, err := haconf.ParseKeys("authkeys", []byte("auth 1\n1 crc\n"), 0o622)
	g.Expect(err).NotTo(HaveOccurred(), "Heartbeat does not look at the bits for writing")
}

func TestAuthkeysRefuses(t *testing.T) {
	const secret = "hunter2"
	for text, want := range map[string]string{
		"":                                 "authkeys: found nothing, want a line 'auth NUMBER'",
		"auth 1":                           "authkeys:1:6: found '1', want the number of a key that stands below",
		"auth 2\n1 crc":                    "authkeys:1:6: found '2', want the number of a key",
		"1 crc\nauth 1":                    "authkeys:1:1: found '1', want the line 'auth NUMBER' first, above all keys",
		"auth 16\n1 crc":                   "found '16', want the number of a key, from 0 to 15",
		"auth\n1 crc":                      "authkeys:1:5: found nothing, want the number of a key behind auth",
		"auth 1 2\n1 crc":                  "authkeys:1:8: found '2', want nothing behind the number",
		"auth 1\nauth 1\n1 crc":            "want one line 'auth NUMBER'; line 1 is another",
		"auth 1\n1 crc " + secret:          "authkeys:2:3: found 'crc', want nothing behind crc",
		"auth 1\n1 md5":                    "authkeys:2:6: found nothing, want a key behind md5",
		"auth 1\n1 sha1 #" + secret:        "want a key behind sha1",
		"auth 1\n1 sha1 a " + secret:       "authkeys:2:3: found 'sha1', want one word as key",
		"auth 1\n1 " + secret:              "authkeys:2:3: found '********', want crc, md5 or sha1",
		"auth 1\n1 sha256 " + secret:       "authkeys:2:3: found '********', want crc, md5 or sha1",
		"auth 1\n" + secret:                "authkeys:2:1: found '********', want 'auth NUMBER' or",
		"auth 1\n1":                        "authkeys:2:2: found nothing, want crc, md5 or sha1 behind the number",
		"auth 1\n1 crc\n1 md5 x":           "authkeys:3:1: found '1', want another number",
		"auth 1\n1 md5 " + secret + "\x00": "found '********', want text without control characters",
	} {
		g := NewWithT(t)
		_, err := haconf.ParseKeys("authkeys", []byte(text), 0o600)
		g.Expect(err).To(MatchError(ContainSubstring(want)), text)
		g.Expect(err).NotTo(MatchError(ContainSubstring(secret)))
	}
}
