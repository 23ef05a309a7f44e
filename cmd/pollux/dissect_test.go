package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestARecordingIsPrintedPacketByPacket(t *testing.T) {
	g := NewWithT(t)
	out, _, err := pollux(t, "dissect", "testdata/dissect/c16-trim.pcap.gz")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HavePrefix("A = 192.168.0.1, B = 192.168.0.2\n    1 f"))
	g.Expect(out).To(MatchRegexp(`(?m)^ +\d+ f\d+ +\d+\.\d{4} A>B c\d data TRIM h16 vol=0 len=28 sector=\d+ size=\d+ `))
}

func TestARecordingOfSomethingElse(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "x.pcap")
	g.Expect(os.WriteFile(path, []byte("\xd4\xc3\xb2\xa1"+strings.Repeat("\x00", 20)), 0o600)).To(Succeed())
	_, status, err := pollux(t, "dissect", path)
	g.Expect(err).To(MatchError(path + ": 0 frames, and none has a packet of DRBD or Heartbeat"))
	g.Expect(status).To(Equal(exitFailed))
	g.Expect(os.WriteFile(path, []byte("\x1f\x8b and no gzip"), 0o600)).To(Succeed())
	_, _, err = pollux(t, "dissect", path)
	g.Expect(err).To(MatchError(ContainSubstring(path + ": unpack: ")))
}
