package record_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/record"
)

// config is that of a machine without groups.
func config() machine.Config {
	cfg := machine.Config{
		Resources: []replica.Config{{Name: "r1", ALExtents: 257, PingInt: 10 * time.Second}}, Cluster: true,
		Liveness: liveness.Config{
			Node: "milo1", Peer: "milo2", UUID: hbwire.UUID{1}, Generation: 1, Keepalive: time.Second, Deadtime: 10 * time.Second,
			Keys: hbwire.Keys{Keys: [16]hbwire.Key{{Method: hbwire.CRC}}}, Encoding: hbwire.Netstring, Media: []string{"eth1"},
		},
	}
	cfg.Failover.Node, cfg.Failover.Peer = "milo1", "milo2"
	return cfg
}

// node is a machine whose peer never answers.
func node(t *testing.T) *machine.Machine {
	t.Helper()
	groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1 xenHA\n"), []string{"milo1", "milo2"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	cfg := config()
	cfg.Failover.Groups = groups
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
	g.Expect(parting.String()).To(And(HavePrefix("at 0s, input 0: liveness: start\n  recorded: liveness: send; "),
		HaveSuffix(", with other contents")), "each heartbeat says how long a silence may be")
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
	for n := range len(b) + 1 {
		segments, err := record.Read(b[:n])
		if err != nil {
			g.Expect(whole).To(BeZero(), "byte %d", n)
			continue
		}
		entries := len(segments[0].Entries)
		g.Expect(entries).To(BeNumerically(">=", whole), "byte %d", n)
		if whole > 0 && entries == whole {
			continue // as one byte before
		}
		whole = entries
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

// Behind a segment that a crash cut off, the next run of the node begins another.
func TestRingGoesOnAfterACrash(t *testing.T) {
	g := NewWithT(t)
	ring := func(dir string, seconds int) []byte {
		r, err := record.New(dir, "milo1", time.Now(), record.DefaultLimit, nil)
		g.Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		live(node(t), r, 0, seconds)
		return saved(t, r, t.TempDir())
	}
	dir := t.TempDir()
	b := ring(dir, 20)
	files, err := filepath.Glob(filepath.Join(dir, "*.rec"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(HaveLen(1))
	for n := 0; n <= len(b); n += 1 + len(b)/50 {
		dir := t.TempDir()
		g.Expect(os.WriteFile(filepath.Join(dir, filepath.Base(files[0])), b[:n], 0o600)).To(Succeed())
		segments, err := record.Read(ring(dir, 10))
		g.Expect(err).NotTo(HaveOccurred())
		before, err := record.Read(b[:n])
		g.Expect(segments).To(HaveLen(len(before)+1), "cut at byte %d: %v", n, err)
		for i := range segments {
			_, parting, err := record.Replay{}.Run(&segments[i])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parting).To(BeNil())
		}
		g.Expect(segments[len(before)].Entries).To(HaveLen(11))
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
	g := NewWithT(t)
	for _, bad := range []string{
		"", "deadtime", "deadtime soon", "deadtime -3s", "colour 3s", "deaf", "deaf 1s", "deaf a b", "deaf 3s 1s",
		"witness", "witness sleeps", "witness answers 3s", "witness silent now then",
	} {
		_, err := record.ParseChange(bad)
		g.Expect(err).To(MatchError(ContainSubstring("found \""+bad+"\", want one of: 'deadtime TIME'")), bad)
	}
	for _, good := range []string{
		"deadtime 30s", "deadtime 30 s", "warntime 3s", "deaf 1s 2s", "witness answers", "witness silent 1m 90s",
	} {
		_, err := record.ParseChange(good)
		g.Expect(err).NotTo(HaveOccurred(), good)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("PxRc"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = record.Read(b)
	})
}

// A node whose peer is dead and whose witness never answered starts nothing. Had
// it answered, the group would have been started, and stopped again when the
// witness falls silent.
func TestWhatIfTheWitnessHadAnswered(t *testing.T) {
	g, segments := NewWithT(t), lonely(t)
	const silent, looks = "the witness does not answer, and milo2 does not answer", "30s status of resource 0 in group 0"
	g.Expect(replayed(t, segments)).To(And(ContainSubstring("10.0.0.1 waits: this node does not have the lease: "+silent),
		Not(ContainSubstring(looks))))
	// Beyond the first look nobody recorded how the programs would have answered.
	g.Expect(replayed(t, segments, "witness answers")).To(And(ContainSubstring(looks), Not(ContainSubstring(silent))))
	g.Expect(replayed(t, segments, "witness answers 0s 60s")).To(And(ContainSubstring(looks),
		ContainSubstring("10.0.0.1 is stopped here before its lease ends: "+silent)))
	g.Expect(replayed(t, segments, "witness silent")).To(Equal(replayed(t, segments)))
}

// lonely is the recording of two minutes of a node that hears nobody, and on which nothing runs.
func lonely(t *testing.T) []record.Segment {
	t.Helper()
	g := NewWithT(t)
	groups, err := haconf.ParseResources("haresources", []byte("milo1 10.0.0.1\n"), []string{"milo1", "milo2"})
	g.Expect(err).NotTo(HaveOccurred())
	cfg := config()
	cfg.Resources, cfg.Failover.Groups = nil, groups
	cfg.Witness = witness.Config{Policy: witness.ByWitness, Cluster: "milo1+milo2", Lease: 30 * time.Second}
	m, err := machine.New(cfg)
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	r, err := record.New(dir, "milo1", time.Now(), record.DefaultLimit, nil)
	g.Expect(err).NotTo(HaveOccurred())
	inputs := []machine.Input{
		{Part: machine.Liveness, Liveness: liveness.Input{Kind: liveness.Start, Unix: 1}},
		{Part: machine.Failover, Failover: failover.Input{Kind: failover.Started}},
	}
	for at := time.Duration(0); at < 2*time.Minute; at += time.Second / 2 {
		for inputs = append(inputs, machine.Input{}); len(inputs) > 0; inputs = inputs[1:] {
			r.Before(at, m)
			out := m.Step(at, inputs[0], nil)
			r.After(at, &inputs[0], out)
			m.Recycle()
			for _, e := range out {
				switch {
				case e.Part == machine.Failover && e.Failover.Kind == failover.Do: // nothing runs
					inputs = append(inputs, machine.Input{Part: machine.Failover, Failover: failover.Input{
						Kind: failover.Done, ID: e.Failover.ID, State: failover.Stopped,
					}})
				case e.Part == machine.Failover && e.Failover.Kind == failover.Keep:
					inputs = append(inputs, machine.Input{Part: machine.Failover, Failover: failover.Input{
						Kind: failover.Kept, ID: e.Failover.ID, Text: e.Failover.Text,
					}})
				default:
				}
			}
		}
		r.Idle()
	}
	b := saved(t, r, dir)
	r.Close()
	segments, err := record.Read(b)
	g.Expect(err).NotTo(HaveOccurred())
	return segments
}

// replayed is what a person reads about a replay.
func replayed(t *testing.T, segments []record.Segment, whatIf ...string) string {
	t.Helper()
	g := NewWithT(t)
	var told strings.Builder
	replay := record.Replay{Tell: func(at time.Duration, text string) { fmt.Fprintln(&told, at, text) }}
	for _, text := range whatIf {
		change, err := record.ParseChange(text)
		g.Expect(err).NotTo(HaveOccurred())
		replay.Changes = append(replay.Changes, change)
	}
	for i := range segments {
		_, _, err := replay.Run(&segments[i])
		g.Expect(err).NotTo(HaveOccurred())
	}
	return told.String()
}
