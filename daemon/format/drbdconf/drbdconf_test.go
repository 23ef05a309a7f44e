package drbdconf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

const conf = "/etc/drbd.conf"

// files reads from a map in place of a disk.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	text, ok := f[filepath.Clean(path)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (f files) glob(pattern string) (matches []string, err error) {
	for path := range f {
		if ok, err := filepath.Match(pattern, path); err != nil {
			return nil, err
		} else if ok {
			matches = append(matches, path)
		}
	}
	return matches, nil
}

// parse reads one text.
func parse(text string) (*drbdconf.Config, error) {
	f := files{conf: text}
	return drbdconf.Parse(conf, f.read, f.glob)
}

// resource is resource r1 on milo1 and milo2 with more statements in it.
func resource(more string) string {
	return "resource r1 {\n" + more + `
  on milo1 { device /dev/drbd1; disk /dev/sda3; address 192.168.0.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1; disk /dev/hdd3; address 192.168.0.2:7789; meta-disk internal; }
}
`
}

// warnings are the texts of the warnings, without their places.
func warnings(c *drbdconf.Config) (texts []string) {
	for _, w := range c.Warnings {
		texts = append(texts, w.Text)
	}
	return texts
}

// withoutPlaces forgets where things stood, so that two files can be compared
// by what they say.
func withoutPlaces(c *drbdconf.Config) *drbdconf.Config {
	c.Warnings = nil
	for i := range c.Resources {
		r := &c.Resources[i]
		r.Pos, r.InconDegrCmd = drbdconf.Pos{}, false // a dump has the handler under its name of today
		for h := range r.Hosts {
			r.Hosts[h].Pos = drbdconf.Pos{}
		}
	}
	return c
}

func TestSeed(t *testing.T) {
	g := NewWithT(t)
	c, err := drbdconf.Parse("testdata/seed.conf", os.ReadFile, filepath.Glob)
	g.Expect(err).NotTo(HaveOccurred())

	r, ok := c.Resource("r1")
	g.Expect(ok).To(BeTrue())
	g.Expect(r.Pos.String()).To(Equal("testdata/seed.conf:2:2"))
	g.Expect(r.Net.Protocol).To(Equal(drbdconf.ProtocolC))
	g.Expect(r.Net.Timeout).To(Equal(6 * time.Second))
	g.Expect(r.Startup.DegrWFCTimeout).To(Equal(90 * time.Second))
	g.Expect(r.Startup.WFCTimeout).To(BeZero())
	g.Expect(r.Handlers).To(Equal(map[string]string{
		"pri-on-incon-degr": "echo '!DRBD! pri on incon-degr' | wall ; sleep 60 ; halt -f",
	}))

	milo2, ok := r.Host("milo2")
	g.Expect(ok).To(BeTrue())
	g.Expect(milo2.Address).To(Equal(drbdconf.Address{IP: "192.168.0.2", Port: 7789}))
	v, ok := milo2.Volume(0)
	g.Expect(ok).To(BeTrue())
	g.Expect(v.Device).To(Equal("/dev/drbd1"))
	g.Expect(v.Minor).To(Equal(1))
	g.Expect(v.Disk).To(Equal("/dev/hdd3"))
	g.Expect(v.Meta).To(Equal(drbdconf.MetaDisk{Kind: drbdconf.MetaInternal}))
	g.Expect(v.Options.OnIOError).To(Equal(drbdconf.Detach))
	g.Expect(v.Options.ResyncRate).To(Equal(10240))
	g.Expect(v.Options.CPlanAhead).To(BeZero())
	g.Expect(v.Options.ALExtents).To(Equal(257))
	g.Expect(v.Options.ResyncAfter).To(BeZero())

	peer, ok := r.Peer("milo2")
	g.Expect(ok).To(BeTrue())
	g.Expect(peer.Names).To(Equal([]string{"milo1"}))
	g.Expect(peer.Volumes[0].Disk).To(Equal("/dev/sda3"))
	_, ok = r.Peer("milo3")
	g.Expect(ok).To(BeFalse())

	g.Expect(warnings(c)).To(ConsistOf(
		HavePrefix("incon-degr-cmd is read as handler pri-on-incon-degr"),
		HavePrefix("syncer rate is read as disk { resync-rate; } and, unless it is given, c-plan-ahead 0"),
		Equal("syncer group 2 is ignored: no resource has a lower one"),
		HaveSuffix("whose defaults were different: sndbuf-size is 0 (was 131070), ko-count is 7 (was 0)"),
		ContainSubstring("metadata of 0.7 must be converted"),
	))
}

// The kernel took every one of these; see the packets that it then sent.
func TestConfigurationsOfTheRecordings(t *testing.T) {
	text, err := os.ReadFile("testdata/recorded.txt")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, part := range strings.Split(string(text), "== ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		// Some hold both nodes' files, one after the other.
		for i, one := range strings.Split(body, "resource r1")[1:] {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
				g := NewWithT(t)
				c, err := parse("resource r1" + one)
				g.Expect(err).NotTo(HaveOccurred())
				if !strings.HasPrefix(name, "c31-outdate") { // there fencing had no handler, on purpose
					g.Expect(c.Warnings).To(BeEmpty())
				}
				again, err := parse(c.Dump())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(withoutPlaces(again)).To(Equal(withoutPlaces(c)))
			})
		}
	}
}

func TestTypedValues(t *testing.T) {
	g := NewWithT(t)
	c, err := parse(resource(`net { timeout 40; sndbuf-size 512k; congestion-fill 1M; protocol b; }
  disk { resync-rate 3s; c-fill-target 100; size 1G; disk-timeout 15; }`))
	g.Expect(err).NotTo(HaveOccurred())
	r := &c.Resources[0]
	g.Expect(r.Net.Timeout).To(Equal(4 * time.Second))
	g.Expect(r.Net.SndbufSize).To(BeEquivalentTo(512 << 10))
	g.Expect(r.Net.CongestionFill).To(BeEquivalentTo(2048), "sectors")
	g.Expect(r.Net.Protocol).To(Equal(drbdconf.ProtocolB))
	g.Expect(r.Disk.ResyncRate).To(Equal(2), "1536 bytes rounded up to KiB")
	g.Expect(r.Disk.CFillTarget).To(BeEquivalentTo(100), "sectors")
	g.Expect(r.Disk.Size).To(BeEquivalentTo(2097152), "sectors")
	g.Expect(r.Disk.DiskTimeout).To(Equal(1500 * time.Millisecond))
}

func TestDefaults(t *testing.T) {
	g := NewWithT(t)
	c, err := parse(resource(""))
	g.Expect(err).NotTo(HaveOccurred())
	r := &c.Resources[0]
	g.Expect(r.Net).To(Equal(drbdconf.NetOptions{
		Protocol: drbdconf.ProtocolC, Timeout: 6 * time.Second, ConnectInt: 10 * time.Second, PingInt: 10 * time.Second,
		PingTimeout: 500 * time.Millisecond, KOCount: 7, MaxBuffers: 2048, MaxEpochSize: 2048, UnplugWatermark: 128,
		TCPCork: true, UseRLE: true, CongestionExtents: 1237,
	}))
	g.Expect(r.Hosts[0].Volumes[0].Options).To(Equal(drbdconf.DiskOptions{
		OnIOError: drbdconf.Detach, DiskFlushes: true, DiskDrain: true, MDFlushes: true, ResyncRate: 250,
		ALExtents: 1237, ALUpdates: true, CPlanAhead: 2 * time.Second, CDelayTarget: time.Second, CFillTarget: 100,
		CMaxRate: 102400, CMinRate: 250, DiscardZeroesIfAligned: true,
	}))
	g.Expect(r.Startup).To(BeZero())
	g.Expect(r.Options).To(BeZero())
	g.Expect(r.Handlers).To(BeEmpty())
	g.Expect(c.Warnings).To(BeEmpty())
	g.Expect(c.Global).To(Equal(drbdconf.Global{
		DialogRefresh: time.Second, CmdTimeoutShort: 5 * time.Second, CmdTimeoutMedium: 600 * time.Second,
	}))
}

func TestErrorsHaveTheirParts(t *testing.T) {
	g := NewWithT(t)
	_, err := parse(resource("  net { timeout 601; }\n  disk { on-io-error explode; }"))
	var e *drbdconf.Error
	g.Expect(errors.As(err, &e)).To(BeTrue())
	g.Expect(*e).To(Equal(drbdconf.Error{
		Pos: drbdconf.Pos{File: conf, Line: 2, Col: 17}, Found: "timeout 601", Want: "1 to 600 tenths of a second",
	}))
	g.Expect(err).To(MatchError(
		"/etc/drbd.conf:2:17: found 'timeout 601', want 1 to 600 tenths of a second\n" +
			"/etc/drbd.conf:3:22: found 'on-io-error explode', want one of pass_on, call-local-io-error, detach",
	))
}

func TestErrorOfReading(t *testing.T) {
	g := NewWithT(t)
	_, err := drbdconf.Parse(conf, files{}.read, files{}.glob)
	g.Expect(err).To(MatchError(fs.ErrNotExist))
	g.Expect(err).To(MatchError("read configuration /etc/drbd.conf: file does not exist"))
}
