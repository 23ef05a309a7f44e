// Command bench measures what pollux costs beside what it is built on, and
// keeps the tables in a file. Each benchmark is a section of it.
//
//	bench [-o FILE] [NAME...]
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
	"strings"
	"syscall"
	"time"

	"github.com/optionc/pollux/bench/counted"
	"github.com/optionc/pollux/bench/groups"
	"github.com/optionc/pollux/bench/heartbeat"
	"github.com/optionc/pollux/bench/host"
	"github.com/optionc/pollux/bench/simulated"
	"github.com/optionc/pollux/qemu/machine"
)

// benchmark is one section.
type benchmark struct {
	name, title, conditions string
	run                     func(ctx context.Context, owner *machine.Owner, say func(string)) (table string, err error)
}

var benchmarks = []benchmark{
	{"frontend", "The block device of a resource without a peer, against its disk", counted.Conditions, counted.FrontEnd},
	{"host", "A pair on this machine, against its disks", host.Conditions, host.Host},
	{"resync", "A resync on this machine, against a copy", host.ResyncConditions, host.Resync},
	{"heartbeat", "Failover, against Heartbeat 3.0.6", heartbeat.Conditions, heartbeat.Times},
	{"groups", "Hundreds of groups, against ten", groups.Conditions, groups.Many},
	{"simulator", "The simulator", simulated.Conditions, simulated.Speed},
	{"pair", "A pair, against the kernel's DRBD", counted.Conditions + " " + counted.PairConditions, counted.Pair},
}

func main() {
	out := flag.String("o", "", "file of which the sections that run are replaced")
	flag.Parse()
	log.SetOutput(io.Discard) // of vmtest, which has machines that are killed for a failure
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, *out, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, names []string) error {
	begin := time.Now()
	owner := &machine.Owner{}
	defer owner.End()
	say := func(text string) { fmt.Fprintf(os.Stderr, "[%6.1fs] %s\n", time.Since(begin).Seconds(), text) }
	owner.Say = say
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range chosen {
		say(b.name)
		table, err := b.run(ctx, owner, say)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.name, err))
			continue
		}
		section := fmt.Sprintf("## %s\n\n%s\n`make bench BENCH=%s`\n\n%s\n", b.title, wrap(b.conditions), b.name, table)
		fmt.Print(section)
		if out != "" {
			errs = append(errs, replace(out, b.title, section))
		}
	}
	return errors.Join(errs...)
}

// choose is the benchmarks of these names, or all.
func choose(names []string) ([]benchmark, error) {
	if len(names) == 0 {
		return benchmarks, nil
	}
	var chosen []benchmark
	for _, name := range names {
		before := len(chosen)
		for _, b := range benchmarks {
			if b.name == name {
				chosen = append(chosen, b)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no benchmark %q", name)
		}
	}
	return chosen, nil
}

// replace puts a section into the file in the place of the one with its title,
// or at the end.
func replace(file, title, section string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(content)
	begin := strings.Index(text, "## "+title+"\n")
	if begin < 0 {
		text = strings.TrimRight(text, "\n") + "\n\n" + section
		return os.WriteFile(file, []byte(text), 0o644)
	}
	end := len(text)
	if next := strings.Index(text[begin+3:], "\n## "); next >= 0 {
		end = begin + 3 + next + 1
		section += "\n"
	}
	text = strings.TrimRight(text[:begin]+section+text[end:], "\n") + "\n"
	return os.WriteFile(file, []byte(text), 0o644)
}

// width of a line of text.
const width = 100

// wrap breaks a text into lines.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		if column > 0 && column+1+len(word) > width {
			b.WriteByte('\n')
			column = 0
		} else if column > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String() + "\n"
}
