package record_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/record"
)

// node is a machine whose peer never answers.
func node(t *testing.T) *machine.Machine {
	t.Helper()
	groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1 xenHA\n"), []string{"milo1", "milo2"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	cfg := machine.Config{
		Resources: []replica.Config{{Name: "r1", ALExtents: 257, PingInt: 10 * time.Second}}, Cluster: true,
		Liveness: liveness.Config{
			Node: "milo1", Peer: "milo2", UUID: hbwire.UUID{1}, Generation: 1, Keepalive: time.Second, Deadtime: 10 * time.Second,
			Keys: hbwire.Keys{Keys: [16]hbwire.Key{{Method: hbwire.CRC}}}, Encoding: hbwire.Netstring, Media: []string{"eth1"},
		},
	}
	cfg.Failover.Node, cfg.Failover.Peer, cfg.Failover.Groups = "milo1", "milo2", groups
	m, err := machine.New(cfg)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return m
}

// live steps a machine for some seconds, recorded.
func live(m *machine.Machine, r *record.Recorder, from, seconds int) {
	step := func(at time.Duration, in machine.Input) {
		r.Before(at, m)
		out := m.Step(at, in, nil)
		r.After(at, &in, out)
		m.Recycle()
	}
	if from == 0 {
		step(0, machine.Input{Part: machine.Liveness, Liveness: liveness.Input{Kind: liveness.Start, Unix: 1}})
	}
	for s := from; s < from+seconds; s++ {
		step(time.Duration(s)*time.Second, machine.Input{Part: machine.All})
		r.Idle()
	}
}

func saved(t *testing.T, r *record.Recorder, dir string) []byte {
	t.Helper()
	g := NewWithT(t)
	done := make(chan error, 1)
	file := filepath.Join(dir, "incident.rec")
	r.Save(file, done)
	g.Expect(<-done).To(Succeed())
	b, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	return b
}

func TestRecordingIsReplayed(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	r, err := record.New(dir, "milo1", time.Now(), record.DefaultLimit, nil)
	g.Expect(err).NotTo(HaveOccurred())
	live(node(t), r, 0, 60)
	b := saved(t, r, dir)
	r.Close()
	segments, err := record.Read(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(segments).To(HaveLen(1))
	g.Expect(segments[0].Entries).To(HaveLen(61))
	effects, parting, err := record.Replay{}.Run(&segments[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parting).To(BeNil())
	g.Expect(effects).To(BeNumerically(">", 60))

	var told []string
	change, err := record.ParseChange("deadtime 30s")
	g.Expect(err).NotTo(HaveOccurred())
	_, parting, err = record.Replay{
		Changes: []record.Change{change}, Tell: func(at time.Duration, text string) { told = append(told, at.String()+" "+text) },
	}.Run(&segments[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parting).NotTo(BeNil(), "with another deadtime the peer counts as dead at another time")
	g.Expect(parting.String()).To(ContainSubstring("recorded: "))
	g.Expect(told).To(ContainElement(Equal("30s counts its peer as dead: silent for 30.0 s")))
}

// Wherever a crash cuts a recording off, what was written before is read.
func TestRecordingThatIsCutOff(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	r, err := record.New(dir, "milo1", time.Now(), record.DefaultLimit, nil)
	g.Expect(err).NotTo(HaveOccurred())
	live(node(t), r, 0, 20)
	b := saved(t, r, dir)
	r.Close()
	whole := 0
	for n := 0; n <= len(b); n += 1 + len(b)/4000 {
		segments, err := record.Read(b[:n])
		if err != nil {
			g.Expect(whole).To(BeZero())
			continue
		}
		g.Expect(len(segments[0].Entries)).To(BeNumerically(">=", whole))
		whole = len(segments[0].Entries)
		_, parting, err := record.Replay{}.Run(&segments[0])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(parting).To(BeNil())
	}
	g.Expect(whole).To(BeNumerically(">=", 20))
	for at := 0; at < len(b); at += 1 + len(b)/2000 { // and damage in the middle never makes it wrong
		damaged := append([]byte{}, b...)
		damaged[at] ^= 0x55
		segments, err := record.Read(damaged)
		if err == nil {
			_, parting, err := record.Replay{}.Run(&segments[0])
			g.Expect(err == nil && parting != nil).To(BeFalse(), "byte %d", at)
		}
	}
}

func TestRingIsBounded(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	const limit, steps, breath = 64 << 10, 800, 100
	m := node(t)
	for run := range 2 { // the second goes on behind the first
		r, err := record.New(dir, "milo1", time.Now(), limit, nil)
		g.Expect(err).NotTo(HaveOccurred())
		var ring []byte
		for at := 0; at < steps; at += breath { // or the disk falls behind, and the recorder lets go of what it can't keep
			live(m, r, run*steps+at, breath)
			ring = saved(t, r, t.TempDir())
		}
		segments, err := record.Read(ring)
		r.Close()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(segments)).To(BeNumerically(">", 1))
		last := segments[len(segments)-1].Entries
		g.Expect(last[len(last)-1].At).To(Equal(time.Duration(run*steps+steps-1) * time.Second))
		for i := range segments {
			_, parting, err := record.Replay{}.Run(&segments[i])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parting).To(BeNil(), "a segment begins with all that the machine knew")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.rec"))
	g.Expect(err).NotTo(HaveOccurred())
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		g.Expect(err).NotTo(HaveOccurred())
		total += info.Size()
		g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	}
	g.Expect(files).To(HaveLen(4))
	g.Expect(total).To(BeNumerically("<", 12*limit), "with the checkpoints, which are small in a real ring")
}

func TestParseChange(t *testing.T) {
	for _, bad := range []string{"", "deadtime", "deadtime soon", "colour 3s", "deaf 1s", "deaf a b"} {
		_, err := record.ParseChange(bad)
		NewWithT(t).Expect(err).To(HaveOccurred(), bad)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("PxRc"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = record.Read(b)
	})
}
