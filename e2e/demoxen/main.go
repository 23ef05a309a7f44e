// Command demoxen shows the main job on real Xen: two dom0s in QEMU, LVM2 on
// the replicated device, a guest that writes records, and a power loss of the
// site on which it runs. It is for a person to watch, and ends with a verdict.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/optionc/pollux/e2e/page/site"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// limit is for a busy machine with two processors and no KVM.
const limit = time.Hour

func main() {
	kernel := flag.String("kernel", image.DefaultKernel(), "version of Linux in both dom0s and the guest")
	flag.Parse()
	log.SetOutput(io.Discard) // of vmtest: machines that are killed are part of the show
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	s := &show{start: time.Now()}
	s.machines.Say = s.say
	err := s.play(ctx, *kernel)
	stop()
	s.machines.End()
	if err != nil {
		s.say("FAILED: " + err.Error())
		os.Exit(1)
	}
}

// show is one run.
type show struct {
	start    time.Time
	mu       sync.Mutex
	machines machine.Owner
	pair     *site.Pair
}

// say prints a line of the timeline.
func (s *show) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf("[%6.1fs] %s\n", time.Since(s.start).Seconds(), text)
}

func (s *show) play(ctx context.Context, kernel string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the demo took more than an hour"))
	defer cancel()
	s.say("== two Xen dom0s boot")
	var err error
	if s.pair, err = site.New(ctx, &s.machines, kernel, site.Usual(), s.say); err != nil {
		return err
	}
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go s.watch(watched)
	if err = s.story(ctx); err != nil {
		s.say(s.pair.Milo1.Explain())
		s.say(s.pair.Milo2.Explain())
	}
	return err
}

// watch shows now and then how far the guest is.
func (s *show) watch(ctx context.Context) {
	ticks := time.NewTicker(5 * time.Second)
	defer ticks.Stop()
	var before [2]int
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		for i, n := range []*site.Node{s.pair.Milo1, s.pair.Milo2} {
			last, lines := n.Printed()
			if lines > before[i] {
				s.say(fmt.Sprintf("%s: web1 has promised %d records more, the last is %d", n.Name, lines-before[i], last))
			}
			before[i] = lines
		}
	}
}

func (s *show) story(ctx context.Context) error {
	p := s.pair
	s.say("== fresh metadata, first sync, LVM, and the cluster starts the guest on milo1")
	if err := p.Ready(ctx); err != nil {
		return err
	}
	if err := p.Milo1.Writes(ctx, 100); err != nil {
		return err
	}
	s.say("== milo1 loses its power while the guest writes")
	o, err := p.Crash(ctx, p.Milo1, p.Milo2)
	if err != nil {
		return err
	}
	if err := p.Milo2.Writes(ctx, 50); err != nil {
		return err
	}
	s.say("== milo1 has power again, gets what it missed, and takes its group back")
	if err := p.Return(ctx, p.Milo1, &o); err != nil {
		return err
	}
	if err := p.Milo1.Writes(ctx, 50); err != nil {
		return err
	}
	s.say("== verdict")
	records, err := p.Verify(ctx, p.Milo1)
	if err != nil {
		return err
	}
	s.say(fmt.Sprintf("promised before the power loss %d, found after it %d; now there are %d records",
		o.Promised, o.Found, len(records)))
	s.say(fmt.Sprintf("milo1 received %d KiB of %d KiB when it returned", o.Resynced, o.Size))
	for _, phase := range o.Phases.List() {
		s.say(fmt.Sprintf("%8.1f s  %s", phase.Took.Seconds(), phase.Name))
	}
	s.say("OK: no promised record is lost, the file system is clean, both disks are equal")
	return nil
}
