// Package plans_test plays named scenarios of faults/scenarios twice, in the
// simulator and on real machines in QEMU, and fails if the two worlds do not
// come to the same verdict. Then either the model is wrong, or what runs.
//
//	POLLUX_PLANS="primary-loses-power long-wan-outage" make e2e SUITES=e2e/plans
//	POLLUX_PLANS=all make e2e SUITES=e2e/plans
package plans_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/plans/stage"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/faults/scenarios"
)

func TestPlans(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/plans")
}

// What is played by default must be there, and must be something that machines
// can play.
func TestNames(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("POLLUX_PLANS", "")
	g.Expect(len(names())).To(BeNumerically(">=", 12))
	for _, name := range names() {
		s, err := load(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(stage.CanPlay(s)).To(Succeed(), name)
	}
	t.Setenv("POLLUX_PLANS", "all")
	g.Expect(len(names())).To(BeNumerically(">=", 40))
}

// stages is how many pairs of machines play at the same time: most of the time
// they wait.
const stages = 3

// names are the scenarios that are played: POLLUX_PLANS has them, or the word
// all, which is every one of which machines have all faults. Else it is those
// that show most in a quarter of an hour.
func names() []string {
	switch chosen := os.Getenv("POLLUX_PLANS"); chosen {
	case "":
	case "all":
		return playable()
	default:
		return strings.Fields(chosen)
	}
	return []string{
		"primary-loses-power",
		"long-wan-outage",
		"replication-cut-heartbeats-alive",
		"clean-restart-of-the-active-node",
		"power-loss-of-the-target",
		"primary-crashes-and-is-back-first",
		"both-lose-power",
		"detach-under-load",
		"frozen-primary",
		"switch-over-and-back",
		"disk-of-the-primary-fails",
		"standby-loses-power",
		"heartbeats-cut-replication-alive",
		"disk-of-the-standby-fails",
		"one-way-cut-towards-the-primary",
		"invalidate-under-load",
		"frozen-standby",
		"short-wan-outage",
		"disconnect-and-reconnect",
	}
}

func playable() (names []string) {
	all, err := scenarios.All()
	if err != nil {
		panic(err) // the package's own tests read them
	}
	for _, s := range all {
		if stage.CanPlay(s.Scenario) == nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// played is a scenario that the machines have played.
type played struct {
	verdict plan.Verdict
	err     error
	took    time.Duration
	log     string
	done    chan struct{}
}

var (
	simulator string // the program
	folder    string
	results   = map[string]*played{}
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1 (make e2e)")
	}
	var err error
	folder, err = os.MkdirTemp("", "pollux")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, folder)
	simulator = filepath.Join(folder, "polluxsim")
	said, err := exec.CommandContext(ctx, "go", "build", "-o", simulator, "github.com/optionc/pollux/sim/polluxsim").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(said))
	plain, err := stage.Programs(ctx, folder)
	Expect(err).NotTo(HaveOccurred())

	queue := make(chan string, len(names()))
	for _, name := range names() {
		results[name] = &played{done: make(chan struct{})}
		queue <- name
	}
	close(queue)
	playing, stop := context.WithCancel(context.Background())
	var lanes sync.WaitGroup
	DeferCleanup(func() {
		stop()
		lanes.Wait()
		for _, f := range slices.Backward(ended) {
			f()
		}
	})
	var first *stage.Stage
	for range min(stages, len(names())) {
		log := &journal{}
		var s *stage.Stage
		if first == nil {
			s, err = stage.New(ctx, suite{}, plain, log.say)
			first = s
		} else {
			s, err = first.Another(log.say)
		}
		Expect(err).NotTo(HaveOccurred(), log.take)
		lanes.Go(func() {
			for name := range queue {
				r := results[name]
				r.play(playing, s, name, log)
				close(r.done)
			}
		})
	}
}, NodeTimeout(10*time.Minute))

// play has the machines play a scenario.
func (r *played) play(ctx context.Context, s *stage.Stage, name string, log *journal) {
	log.take()
	began := time.Now()
	scenario, err := load(name)
	if err == nil {
		ctx, stop := context.WithTimeout(ctx, 10*time.Minute)
		defer stop()
		r.verdict, err = s.Play(ctx, scenario)
	}
	r.err, r.took, r.log = err, time.Since(began), log.take()
}

// load is a named scenario for both worlds. An emulated machine on a busy host
// needs longer for a ping than the profile gives it.
func load(name string) (plan.Scenario, error) {
	s, err := scenarios.Find(name)
	s.Settings = append([]plan.Setting{{Name: "ping-timeout", Value: "3s"}}, s.Settings...)
	return s, err
}

// journal is what a stage says.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) say(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, time.Now().Format("15:04:05.000 ")+text)
}

// take is all that was said since the last time.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.Join(j.lines, "\n")
	j.lines = nil
	return text
}

// suite keeps machines until the suite's end, whichever scenario boots them.
type suite struct{}

func (suite) Helper() {}

func (suite) Logf(string, ...any) {}

func (suite) Cleanup(f func()) {
	ending.Lock()
	defer ending.Unlock()
	ended = append(ended, f)
}

var (
	ending sync.Mutex
	ended  []func()
)

// The table: scenario, verdict, seconds on machines.
var _ = ReportAfterSuite("table", func(Report) {
	for _, name := range names() {
		if r := results[name]; r != nil && r.took > 0 {
			fmt.Printf("%-40s %4.0f s  %v\n", name, r.took.Seconds(), r.verdict.Counts)
		}
	}
})
