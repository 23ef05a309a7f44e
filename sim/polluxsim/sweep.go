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
	var failed []trial.Result
	s.Failed = func(r trial.Result) {
		fmt.Printf("seed %d, profile %s: BROKEN %v\n    %s\n", r.Seed, r.Profile, r.Broken, r.Command())
		failed = append(failed, r)
	}
	if *hashes {
		return printHashes(s)
	}
	fmt.Fprintf(os.Stderr, "from seed %d\n", s.From)
	sum := s.Run()
	fmt.Printf("%v\n%+v\n%s\n", sum, sum.Counts, sum.Missing())
	if len(failed) == 0 {
		return nil
	}
	if err := keep(failed[0], *out); err != nil {
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

// keep makes a failure smaller and writes it down.
func keep(r trial.Result, dir string) error {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "polluxsim"); err != nil {
			return err
		}
	}
	small := smaller(r.Seed, trial.OptionsOf(r.Scenario()))
	if small.Broken == nil {
		small = r
	}
	file := filepath.Join(dir, fmt.Sprintf("seed-%d.plan", r.Seed))
	if err := os.WriteFile(file, []byte(small.Scenario().String()), 0o600); err != nil {
		return err
	}
	fmt.Printf("%d of %d faults are enough:\n%v    go run ./sim/polluxsim replay %s\n    go run ./sim/polluxsim explain %s --html %s\n",
		len(small.Plan), len(r.Plan), small.Scenario(), file, file, filepath.Join(dir, "explained.html"))
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
