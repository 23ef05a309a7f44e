package failover_test

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/format/pcap"
)

// walk is what two real Heartbeats sent while they were started, ordered and killed; see testdata/README.md.
var walk = []string{
	"01-startup-both", "02-steady", "03-standby-milo1", "04-takeover-milo1", "05-kill9-milo1", "06-return-milo1-failback",
}

type captured struct {
	at      time.Duration
	data    []byte
	message hbwire.Message
}

// capture reads a recording of heartbeats; times are Unix times.
func capture(t *testing.T, name string) (packets []captured) {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open("testdata/" + name + ".pcap.gz")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(file.Close()).To(Succeed()) }()
	unpacked, err := gzip.NewReader(file)
	g.Expect(err).NotTo(HaveOccurred())
	b, err := io.ReadAll(unpacked)
	g.Expect(err).NotTo(HaveOccurred())
	frames, err := pcap.Read(b)
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range frames {
		s, ok := f.Segment()
		g.Expect(ok && s.Protocol == pcap.UDP).To(BeTrue(), "frame %d", f.Number)
		p, err := hbwire.Decode(s.Data)
		g.Expect(err).NotTo(HaveOccurred())
		packets = append(packets, captured{at: f.Time.Sub(time.Unix(0, 0)), data: s.Data, message: p.Message})
	}
	return packets
}

// replay puts our two cores in the place of one real daemon, and gives them what the other one sent, when it was sent.
// The real one cannot react to ours, so a step that takes another course would derail all that follow.
func replay(
	t *testing.T, which int, files []string, before map[string]func(*machine),
) (w *world, done map[string][]string) {
	t.Helper()
	w = newWorld(1, firstLine, haconf.FailbackOn)
	w.cut, w.took = true, 10*time.Millisecond
	m := w.machines[which]
	m.keepalive, m.deadtime, m.initdead = 500*time.Millisecond, 4*time.Second, 6*time.Second
	done = map[string][]string{}
	var zero time.Duration
	for _, name := range files {
		packets := capture(t, name)
		if zero == 0 {
			zero = packets[0].at - time.Second
			for _, p := range packets {
				if p.message.Text("src") == m.name {
					m.uuid = p.message.UUID("srcuuid")
				}
			}
			m.boot(false)
		}
		if order := before[name]; order != nil {
			w.until(packets[0].at - zero - 100*time.Millisecond)
			order(m)
		}
		for _, p := range packets {
			if p.message.Text("src") == m.peer {
				w.until(p.at - zero)
				m.listen(liveness.Input{Kind: liveness.Datagram, Data: p.data})
			}
		}
		w.until(packets[len(packets)-1].at - zero)
		done[name] = w.done()
	}
	return w, done
}

func TestInThePlaceOfMilo2(t *testing.T) {
	g := NewWithT(t)
	RegisterTestingT(t)
	w, done := replay(t, 1, walk, nil)
	g.Expect(done).To(Equal(map[string][]string{
		"01-startup-both":          nil,
		"02-steady":                nil,
		"03-standby-milo1":         script("milo2" + startOrder),
		"04-takeover-milo1":        script("milo2" + stopOrder),
		"05-kill9-milo1":           script("milo2" + startOrder),
		"06-return-milo1-failback": script("milo2" + stopOrder),
	}), "%q", w.machines[1].notes)
	g.Expect(w.machines[1].fail.Snapshot().Holding).To(Equal("local"))
	g.Expect(w.machines[1].live.Snapshot().Dropped).To(BeZero())
}

func TestInThePlaceOfMilo1(t *testing.T) {
	g := NewWithT(t)
	RegisterTestingT(t)
	w, done := replay(t, 0, walk[:4], map[string]func(*machine){
		"03-standby-milo1":  func(m *machine) { m.order(3, failover.OrderStandby, failover.All, false) },
		"04-takeover-milo1": func(m *machine) { m.order(4, failover.OrderTakeover, failover.All, false) },
	})
	g.Expect(done).To(Equal(map[string][]string{
		"01-startup-both":   script("milo1" + startOrder),
		"02-steady":         nil,
		"03-standby-milo1":  script("milo1" + stopOrder),
		"04-takeover-milo1": script("milo1" + startOrder),
	}), "%q", w.machines[0].notes)
	g.Expect(w.machines[0].answers).To(Equal(map[uint64]string{
		3: "true milo2 has the all groups", 4: "true the groups run here",
	}))
}
