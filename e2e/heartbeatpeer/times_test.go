package heartbeatpeer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The times of a pair of Heartbeats and of a pair of polluxd, with the same files, in turns. They are no test: `make
// bench BENCH=heartbeat` prints them.

// timed is a call and when it began.
type timed struct {
	at   time.Time
	node string
	call string // resource and action
}

// timeline is all calls since that time.
func (p *pair) timeline(since time.Time) (all []timed) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(p.dir, "times"))
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		seconds, err := strconv.ParseFloat(f[0], 64)
		Expect(err).NotTo(HaveOccurred())
		if at := time.UnixMicro(int64(seconds * 1e6)); at.After(since) {
			all = append(all, timed{at, f[1], strings.Join(f[2:], " ")})
		}
	}
	return all
}

// first is when a call began for the first time since.
func (p *pair) first(since time.Time, call string) time.Time {
	GinkgoHelper()
	all := p.timeline(since)
	i := slices.IndexFunc(all, func(t timed) bool { return t.call == call })
	Expect(i).To(BeNumerically(">=", 0), p.logs)
	return all[i].at
}

// gap is how long a resource that ran on both nodes ran nowhere since then.
func (p *pair) gap(since time.Time, resource string) (gap time.Duration) {
	running, stopped := 2, since
	for _, t := range p.timeline(since) {
		switch t.call {
		case resource + " start":
			if running == 0 {
				gap += t.at.Sub(stopped)
			}
			running++
		case resource + " stop":
			if running--; running == 0 {
				stopped = t.at
			}
		}
	}
	return gap
}

// times are what one pair took, by what happened.
type times map[string][]time.Duration

const (
	booting = "both boot, to the first start"
	dying   = "power loss, to the first start"
	moving  = "planned move, gap"
	healing = "healing after a cut, gap"
	// calling is part of moving.
	calling = "of that, what the calls of its scripts take by themselves"
	between = "of that, all else"
)

// calls are those of a planned move from one of the two engines, from the stop of the last resource to the start of it.
var calls = map[engine]string{
	heartbeat: "third stop, second stop, first stop, first status, first start, second status, second start, third status, " +
		"third start",
	pollux: "third stop, third status, second stop, second status, first stop, first status, first status, first start, " +
		"first status, second status, second start, second status, third status, third start",
}

// alone is how long these calls take on a node whose group runs, one after the other, and without anybody to decide on
// them. It ends as it began.
func (n *node) alone(ctx SpecContext) time.Duration {
	GinkgoHelper()
	script := "cd /etc/ha.d/resource.d\nbegin=$(date +%s%6N)\n"
	for call := range strings.SplitSeq(calls[n.engine], ", ") {
		script += "./" + call + " >/dev/null\n"
	}
	took, err := strconv.ParseInt(strings.TrimSpace(n.sh(ctx, script+"echo $(($(date +%s%6N) - begin))")), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return time.Duration(took) * time.Microsecond
}

func (all times) add(what string, took time.Duration) { all[what] = append(all[what], took) }

func (all times) median(what string) time.Duration {
	list := slices.Sorted(slices.Values(all[what]))
	return list[len(list)/2]
}

// measure takes a pair through all, with moves and deaths for so many rounds.
func (all times) measure(ctx SpecContext, e engine, rounds int) {
	GinkgoHelper()
	p := newPair(ctx, "sha1", e, e, "keepalive 200ms", "keepalive 500ms", "deadtime 2", "deadtime 4", "initdead 4", "initdead 6")
	defer p.close()
	begin := time.Now()
	p.startBoth(ctx)
	all.add(booting, p.first(begin, "first start").Sub(begin))
	at := func(milo1, milo2 string) {
		GinkgoHelper()
		Eventually(p.milo1.holds).WithContext(ctx).WithTimeout(patience).Should(Equal(milo1), p.logs)
		Eventually(p.milo2.holds).WithContext(ctx).WithTimeout(patience).Should(Equal(milo2), p.logs)
	}
	at("local", "local")
	for range rounds {
		begin = time.Now()
		p.milo1.standby(ctx, "local")
		p.called(ctx, p.milo1.stops(p.milo1), p.milo2.starts(p.milo1))
		all.add(moving, p.first(begin, "third start").Sub(p.first(begin, "third stop")))
		at("none", "all")
		p.milo2.standby(ctx, "foreign")
		p.called(ctx, p.milo2.stops(p.milo1), p.milo1.starts(p.milo1))
		at("local", "local")
		begin = time.Now()
		p.powerLoss(ctx, p.milo1, p.milo2)
		all.add(dying, p.first(begin, "first start").Sub(begin))
		at("local", "local")
	}
	p.wire.Both("milo1", "milo2", cut)
	p.bothRunAll(ctx)
	begin = time.Now()
	p.wire.Heal("milo1", "milo2")
	Eventually(p.since).WithContext(ctx).WithTimeout(patience).Should(ContainElement(HaveSuffix(" stop")), p.logs)
	Eventually(p.running).WithContext(ctx).WithTimeout(2*patience).Should(Equal(
		[]string{"milo1.first", "milo1.second", "milo1.third", "milo2.fourth"}), p.logs)
	at("local", "local")
	all.add(healing, p.gap(begin, "first"))
	for range rounds {
		all.add(calling, p.milo1.alone(ctx))
	}
}

var _ = Describe("Times", Label("bench"), func() {
	if os.Getenv("POLLUX_BENCH") == "" {
		return
	}
	It("of both, side by side", func(ctx SpecContext) {
		const rounds = 5
		took := map[engine]times{heartbeat: {}, pollux: {}}
		for range 2 {
			for _, e := range []engine{heartbeat, pollux} {
				took[e].measure(ctx, e, rounds)
			}
		}
		fmt.Print("\n| event | Heartbeat, s | pollux, s | ratio | aim, s |\n|---|---|---|---|---|\n")
		for _, row := range []struct{ what, aim string }{
			{booting, "under 7"}, {dying, "at most 4.3"}, {moving, ""}, {calling, ""}, {between, "under 0.2"}, {healing, "0"},
		} {
			seconds := func(e engine) float64 {
				if row.what == between {
					return max(0, took[e].median(moving)-took[e].median(calling)).Seconds()
				}
				return took[e].median(row.what).Seconds()
			}
			h, o := seconds(heartbeat), seconds(pollux)
			fmt.Printf("| %s | %.2f | %.2f | **%.2f** | %s |\n", row.what, h, o, o/h, row.aim)
		}
		fmt.Println("end of the table")
	}, SpecTimeout(20*time.Minute))
})
