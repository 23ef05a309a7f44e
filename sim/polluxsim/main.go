// Command polluxsim runs seeds of the simulator and prints what they broke.
//
//	polluxsim --seed 42 [--profile load|storm|disks|apart] [--plan FILE] [--trace] [--shrink]
//	polluxsim --seeds 1..1000 [--profile ...]
//
// It exits with 1 if a promise was broken.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/trial"
)

func main() {
	seed := flag.Uint64("seed", 0, "run this seed")
	seeds := flag.String("seeds", "", "run the seeds `A..B`")
	profile := flag.String("profile", "", "load, storm, disks or apart; each seed draws one unless this is given")
	file := flag.String("plan", "", "what goes wrong, instead of what the seed draws")
	trace := flag.Bool("trace", false, "print everything that happens")
	shrink := flag.Bool("shrink", false, "look for a smaller plan that breaks the same promise")
	keep := flag.Bool("keep-going", false, "go on after a broken promise")
	flag.Parse()
	opt := trial.Options{Profile: trial.Profile(*profile)}
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err == nil {
			opt.Plan, err = plan.Parse(string(text))
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "polluxsim: %s: %v\n", *file, err)
			os.Exit(2)
		}
	}
	if *seeds == "" {
		os.Exit(one(*seed, opt, *trace, *shrink))
	}
	var from, to uint64
	if _, err := fmt.Sscanf(*seeds, "%d..%d", &from, &to); err != nil || from > to {
		fmt.Fprintf(os.Stderr, "polluxsim: found seeds %q, want two numbers as 1..1000\n", *seeds)
		os.Exit(2)
	}
	os.Exit(many(from, to, opt, *keep))
}

// one runs one seed and says all about it.
func one(seed uint64, opt trial.Options, trace, shrink bool) int {
	if trace {
		opt.Trace = func(line string) { fmt.Println(line) }
	}
	run := trial.Run
	if shrink {
		run = trial.Shrink
	}
	r := run(seed, opt)
	fmt.Printf("seed %d, profile %s, %v simulated, %d events, hash %016x\n", seed, r.Profile, r.Time, r.Events, r.Hash)
	fmt.Printf("%+v, %d repairs\n", r.Counts, r.Repairs)
	if r.Broken != nil {
		fmt.Printf("plan:\n%vBROKEN %v\n", r.Plan, r.Broken)
		return 1
	}
	return 0
}

// many runs a range of seeds on all processors, and says how fast that was.
func many(from, to uint64, opt trial.Options, keepGoing bool) int {
	begun := time.Now()
	var (
		mu     sync.Mutex
		next   = from
		failed int
		sum    oracle.Counts
		events uint64
		lived  time.Duration
		done   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				stop := seed > to || failed > 0 && !keepGoing
				mu.Unlock()
				if stop {
					return
				}
				r := trial.Run(seed, opt)
				mu.Lock()
				sum.Add(r.Counts)
				events += r.Events
				lived += r.Time
				if r.Broken != nil {
					failed++
					fmt.Printf("seed %d, profile %s: BROKEN %v\n    %s\n", seed, r.Profile, r.Broken, r.Command())
				}
				mu.Unlock()
			}
		})
	}
	done.Wait()
	took := time.Since(begun)
	ran := min(next, to+1) - from
	fmt.Printf("%d seeds, %d broken, in %v: %.1f seeds/s, %.0f events/s, %.0f simulated s/s\n", ran, failed,
		took.Round(time.Millisecond), float64(ran)/took.Seconds(), float64(events)/took.Seconds(),
		lived.Seconds()/took.Seconds())
	fmt.Printf("%+v\n", sum)
	if failed > 0 {
		return 1
	}
	return 0
}
