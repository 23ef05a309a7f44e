// Package groups measures what a node costs that has many groups: whether memory, processor and the time of a takeover
// stay in proportion to their number.
package groups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/optionc/pollux/bench/engine"
	"github.com/optionc/pollux/bench/usage"
	"github.com/optionc/pollux/qemu/machine"
)

// Conditions are what the figures are worth.
const Conditions = "Two polluxd on loopback, keepalive 500ms, deadtime 5, all groups on the one that is killed; a group " +
	"has two scripts that make and remove a file. Scripts alone: the same calls, one after the other, made by a loop. " +
	"Memory and processor are of the node that takes over: idle with all groups on the other one, and what its own work " +
	"for the takeover took. The takeover is from the death of the peer to the last group that runs, without deadtime. " +
	"Ratios are to what 10 groups take, for each group; 1 is in proportion."

// sizes are the rows: how many groups. The first one is what the others are compared with.
var sizes = []int{10, 100, 500}

// idle is how long a node that has nothing to do is watched.
const idle = 20 * time.Second

// rounds is how often a takeover of few groups is measured: the kernel counts the processor's time in hundredths of a
// second.
func rounds(groups int) int { return max(1, 50/groups) }

// taken is what one row measures.
type taken struct {
	groups   int
	memory   int // KiB, resident
	idle     time.Duration
	takeover time.Duration
	scripts  time.Duration // the same calls, without a daemon
	work     time.Duration // of the processor, in the takeover
}

// Many gives the table.
func Many(ctx context.Context, _ *machine.Owner, say func(string)) (_ string, err error) {
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	polluxd, err := engine.Build(ctx, dir)
	if err != nil {
		return "", err
	}
	var rows []taken
	for _, n := range sizes {
		say(fmt.Sprintf("%d groups", n))
		row, err := measure(ctx, polluxd, filepath.Join(dir, fmt.Sprint(n)), n)
		if err != nil {
			return "", fmt.Errorf("%d groups: %w", n, err)
		}
		rows = append(rows, row)
	}
	return table(rows), nil
}

// table compares the rows with the first one.
func table(rows []taken) string {
	var b strings.Builder
	b.WriteString("| groups | resources | memory, MiB | idle, ms of a processor a second | takeover, s | a group, ms | ratio | " +
		"scripts alone, s | own processor time a group, ms | ratio |\n|---|---|---|---|---|---|---|---|---|---|\n")
	each := func(d time.Duration, groups int) float64 { return d.Seconds() * 1000 / float64(groups) }
	first := rows[0]
	for _, r := range rows {
		took, work := each(r.takeover, r.groups), each(r.work, r.groups)
		fmt.Fprintf(&b, "| %d | %d | %.1f | %.1f | %.2f | %.1f | **%.2f** | %.2f | %.1f | **%.2f** |\n",
			r.groups, 2*r.groups, float64(r.memory)/1024, each(r.idle, 1)/idle.Seconds(), r.takeover.Seconds(), took,
			took/each(first.takeover, first.groups), r.scripts.Seconds(), work, work/each(first.work, first.groups))
	}
	return b.String()
}

// measure makes one row: the mean of some rounds.
func measure(ctx context.Context, polluxd, dir string, groups int) (row taken, err error) {
	row.groups = groups
	n := rounds(groups)
	for i := range n {
		dir := filepath.Join(dir, fmt.Sprint(i))
		p, err := begin(ctx, polluxd, dir, groups)
		if err != nil {
			return row, err
		}
		err = row.add(ctx, p, dir)
		p.end()
		if err != nil {
			return row, err
		}
	}
	row.memory /= n
	for _, sum := range []*time.Duration{&row.idle, &row.takeover, &row.scripts, &row.work} {
		*sum /= time.Duration(n)
	}
	return row, nil
}

// add measures one round.
func (row *taken) add(ctx context.Context, p *pair, dir string) error {
	alone, err := scripts(dir, p.groups)
	if err != nil {
		return err
	}
	quiet, err := p.rest(ctx)
	if err != nil {
		return err
	}
	took, work, err := p.takeOver(ctx)
	if err != nil {
		return err
	}
	memory, err := usage.Memory(p.milo2.Pid())
	row.memory += memory
	row.idle, row.takeover = row.idle+quiet, row.takeover+took
	row.scripts, row.work = row.scripts+alone, row.work+work
	return err
}
