package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/sim/search"
	"github.com/optionc/pollux/sim/trial"
)

// sweep runs many seeds, makes what fails smaller, and prints the command that
// shows it.
func sweep(args []string) error {
	flags := flag.NewFlagSet("sweep", flag.ContinueOnError)
	s := search.Sweep{Progress: os.Stderr}
	seeds := flags.String("seeds", "", "run the seeds `A..B`, each once")
	flags.DurationVar(&s.For, "for", 0, "run for that long, from a seed that nobody ran yet")
	profile := flags.String("profile", "", profiles()+"; each seed draws one unless this is given")
	witness := flags.String("witness", "", aboutWitness)
	flags.BoolVar(&s.Guided, "guide", false, "change the plans of seeds that reach something new")
	flags.BoolVar(&s.KeepGoing, "keep-going", false, "go on after a broken promise")
	hashes := flags.Bool("hashes", false, "print the hash of each run and nothing else: equal runs have equal ones")
	out := flags.String("out", "", "the `directory` for the scenarios of what fails; a temporary one unless given")
	rest, err := flagsOf(flags, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return fmt.Errorf("found %q, want --seeds A..B or --for TIME", rest[0])
	}
	if err := isProfile(*profile); err != nil {
		return err
	}
	s.Options.Profile, s.Options.Settings = trial.Profile(*profile), ofWitness(*witness)
	if *witness != "" && *profile == "" {
		s.Options.Profile = trial.Third
	}
	switch {
	case *seeds != "":
		var to uint64
		if s.From, to, err = rangeOf(*seeds); err != nil {
			return err
		}
		s.Count = to - s.From + 1
	case s.For > 0:
		s.From = uint64(time.Now().Unix()) * 1000
	default:
		return errors.New("found no seeds, want --seeds A..B or --for TIME")
	}
	if *hashes {
		return printHashes(s)
	}
	found := finds{dir: *out}
	s.Failed = found.add
	fmt.Fprintf(os.Stderr, "from seed %d\n", s.From)
	sum := s.Run()
	fmt.Printf("%v\n%+v\n%s\n", sum, sum.Counts, sum.Missing())
	if len(found.failed) == 0 {
		return nil
	}
	if err := found.shrinkFirst(); err != nil {
		return err
	}
	return errBroken
}

// rangeOf reads A..B.
func rangeOf(text string) (from, to uint64, err error) {
	first, last, _ := strings.Cut(text, "..")
	from, err1 := strconv.ParseUint(first, 10, 64)
	to, err2 := strconv.ParseUint(last, 10, 64)
	if err1 != nil || err2 != nil || from > to {
		return 0, 0, fmt.Errorf("found seeds %q, want two numbers as 1..1000", text)
	}
	return from, to, nil
}

// finds are the runs of a sweep that failed. Each is written down as soon as it
// is found: the plan of a guided one is not what its seed draws, and a sweep of
// hours may be cut short.
type finds struct {
	dir    string
	failed []trial.Result
	err    error // of the first that could not be written
}

// add prints a failure and the command that shows it again.
func (f *finds) add(r trial.Result) {
	f.failed = append(f.failed, r)
	file, err := f.write(fmt.Sprintf("found-%d-seed-%d.plan", len(f.failed), r.Seed), r)
	if err != nil && f.err == nil {
		f.err = err
	}
	fmt.Printf("seed %d, profile %s: BROKEN %v\n    go run ./sim/polluxsim run %s --trace\n", r.Seed, r.Profile, r.Broken, file)
}

func (f *finds) write(name string, r trial.Result) (string, error) {
	if f.dir == "" {
		dir, err := os.MkdirTemp("", "polluxsim")
		if err != nil {
			return "", err
		}
		f.dir = dir
	}
	file := filepath.Join(f.dir, name)
	return file, os.WriteFile(file, []byte(r.Scenario().String()), 0o600)
}

// shrinkFirst makes the first failure smaller and writes that down.
func (f *finds) shrinkFirst() error {
	if f.err != nil {
		return f.err
	}
	r := f.failed[0]
	small := smaller(r.Seed, trial.OptionsOf(r.Scenario()))
	if small.Broken == nil {
		small = r
	}
	file, err := f.write(fmt.Sprintf("seed-%d.plan", r.Seed), small)
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d faults are enough:\n%v    go run ./sim/polluxsim replay %s\n    go run ./sim/polluxsim explain %s --html %s\n",
		len(small.Plan), len(r.Plan), small.Scenario(), file, file, filepath.Join(f.dir, "explained.html"))
	return nil
}

// printHashes runs a sweep and prints one line a seed, in their order.
func printHashes(s search.Sweep) error {
	var lines []string
	s.Progress = nil
	s.Ended = func(r trial.Result) {
		lines = append(lines, fmt.Sprintf("%10d %016x %d events, %v", r.Seed, r.Hash, r.Events, r.Time))
	}
	s.Run()
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}
