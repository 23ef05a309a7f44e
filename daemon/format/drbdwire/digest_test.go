package drbdwire_test

import (
	"encoding/hex"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestRespond(t *testing.T) {
	challenge := make([]byte, 64)
	for i := range challenge {
		challenge[i] = byte(i)
	}
	for alg, want := range map[string]string{
		"sha1":   "afe9485a34cf04a78c4f0101a2a08974b912de08",
		"md5":    "333142ba1db44c59d756a2bee16b906b",
		"sha256": "5f5d485f2228776ad7710aa47d15a4d61744dbb9a2a3e5647f5a1bbfcf8015e1",
		"sha512": "3039e54293ae18185fb7133b1474c9ffe000e0caee96e77d7e100903927e8a9c" + // by Python's hmac
			"4800f6909fee37b07766d15c7c711e7f212baadb07bf5a5e2e2eafa9d67490d2",
	} {
		t.Run(alg, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdwire.Respond(alg, "secret", challenge)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(hex.EncodeToString(got)).To(Equal(want))
			g.Expect(drbdwire.DigestSize(alg)).To(Equal(len(got)))
		})
	}
}

// TestCapturedResponses answers the challenges of two kernels.
func TestCapturedResponses(t *testing.T) {
	g := NewWithT(t)
	challenges, responses := map[bool][]byte{}, 0
	for _, p := range packetsOf(t, captures+"/c13-cram-hmac.pcap.gz") {
		switch p.Header.Command {
		case drbdwire.CmdAuthChallenge:
			challenges[p.FromA] = p.Payload
		case drbdwire.CmdAuthResponse:
			responses++
			g.Expect(drbdwire.Respond("sha1", "optionc secret", challenges[!p.FromA])).To(Equal(p.Payload))
		default:
		}
	}
	g.Expect(responses).To(Equal(2))
}

func TestRespondRefuses(t *testing.T) {
	g := NewWithT(t)
	_, err := drbdwire.Respond("sha1", "secret", make([]byte, 63))
	g.Expect(err).To(MatchError("answer a challenge of 63 bytes, want 64 to 128"))
	_, err = drbdwire.Respond("sha1", "secret", make([]byte, 129))
	g.Expect(err).To(MatchError("answer a challenge of 129 bytes, want 64 to 128"))
	_, err = drbdwire.Respond("crc32c", "secret", make([]byte, 64))
	g.Expect(err).To(MatchError(ContainSubstring(`"crc32c" is unknown`)), "a checksum proves nothing")
}

func TestDigests(t *testing.T) {
	g := NewWithT(t)
	for alg, want := range map[string]string{ // of "123456789"
		"crc32c": "839206e3", // e3069283, little endian
		"md5":    "25f9e794323b453885f5181f1b624d0b",
		"sha1":   "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		"sha224": "9b3e61bf29f17c75572fae2e86e17809a4513d07c8a18152acf34521",
		"sha384": "eb455d56d2c1a69de64e832011f3393d45f3fa31d6842f21af92d2fe469c499d" +
			"a5e3179847334a18479c8d1dedea1be3",
	} {
		got, err := drbdwire.AppendDigest([]byte("-"), alg, []byte("123456789"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(hex.EncodeToString(got)).To(Equal("2d" + want))
		g.Expect(drbdwire.DigestSize(alg)).To(Equal(len(got) - 1))
	}
	_, err := drbdwire.DigestSize("rot13")
	g.Expect(err).To(MatchError(ContainSubstring(`"rot13" is unknown, want md5`)))
	_, err = drbdwire.AppendDigest(nil, "", nil)
	g.Expect(err).To(HaveOccurred())
}
