package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/qemu/machine"
)

// changedBlocks is how many blocks of 4 KiB differ before a resync of the
// bitmap.
const changedBlocks = 8 << 10

// ResyncConditions are what the figures of Resync are worth.
var ResyncConditions = fmt.Sprintf("Two polluxd over loopback TCP; \"copy\" reads the same blocks from one disk and "+
	"writes them to another, in pieces of up to 1 MiB, one after the other, and flushes at the end. Full: all of a disk of "+
	"%d MiB. Bitmap: %d random blocks of 4 KiB that were written while the nodes were apart. Checksums: all of a disk whose "+
	"blocks are equal, csums-alg sha1. Time is from the begin to the end of the resync as the source tells it. Median of %d "+
	"rounds, in which copy and resync take turns. The large disk is a sparse file of 16 TiB; its times are from the start of "+
	"the daemon until the disk is in use.", diskSize>>20, changedBlocks, rounds)

// Resync compares resyncs with a plain copy. The result is a table in Markdown.
func Resync(ctx context.Context, _ *machine.Owner, say func(string)) (string, error) {
	load := loaded()
	var table strings.Builder
	table.WriteString("| disks | resync | copy, MB/s | pollux, MB/s | ratio | aim |\n|---|---|---|---|---|---|\n")
	err := onDisks(ctx, func(ctx context.Context, polluxd, kind, disks, dir string) error {
		resources := []resource{
			{name: kind, protocol: "C"}, {name: kind + "sums", protocol: "C", net: "csums-alg sha1;"},
		}
		for i := range resources {
			resources[i].disks = [2]string{
				filepath.Join(disks, resources[i].name+"-0"), filepath.Join(disks, resources[i].name+"-1"),
			}
		}
		say("both daemons with " + kind + " disks start and sync")
		rows, err := measureResyncs(ctx, polluxd, dir, kind, resources)
		say(rows)
		table.WriteString(rows)
		return err
	})
	if err != nil {
		return "", err
	}
	say("a disk of 16 TiB")
	large, err := measureLarge(ctx)
	table.WriteString("\n" + large + load())
	return table.String(), err
}

func measureResyncs(ctx context.Context, polluxd, dir, kind string, resources []resource) (rows string, err error) {
	p, err := start(ctx, polluxd, dir, diskSize, resources)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	plain, sums := resources[0], resources[1]
	c, err := newCopier(plain)
	if err != nil {
		return "", err
	}
	defer c.close()
	all := make([]int64, diskSize/pageSize)
	for i := range all {
		all[i] = int64(i) * pageSize
	}
	for _, m := range []struct {
		name   string
		blocks func() []int64
		resync func(blocks []int64) (time.Duration, error)
	}{
		{"full", func() []int64 { return all }, func([]int64) (time.Duration, error) { return p.full(ctx, plain) }},
		{"bitmap", randomBlocks, func(b []int64) (time.Duration, error) { return p.changed(ctx, plain, b) }},
		{"checksums", func() []int64 { return all }, func([]int64) (time.Duration, error) { return p.full(ctx, sums) }},
	} {
		var copies, resyncs, ratios []float64
		for range rounds {
			blocks := m.blocks()
			copied, err := c.copy(blocks)
			if err != nil {
				return rows, fmt.Errorf("%s: copy: %w", m.name, err)
			}
			synced, err := m.resync(blocks)
			if err != nil {
				return rows, fmt.Errorf("%s: resync: %w", m.name, err)
			}
			megabytes := float64(len(blocks)) * pageSize / 1e6
			copies = append(copies, megabytes/copied.Seconds())
			resyncs = append(resyncs, megabytes/synced.Seconds())
			ratios = append(ratios, copied.Seconds()/synced.Seconds())
		}
		rows += fmt.Sprintf("| %s | %s | %.0f | %.0f | **%.2f** | 0.80 |\n", kind, m.name, median(copies), median(resyncs),
			median(ratios))
	}
	return rows, nil
}

const pageSize = 4 << 10

// randomBlocks are the offsets of blocks on a disk, in order.
func randomBlocks() []int64 {
	const metadata = 1 << 20 // of a disk of diskSize, and more
	var blocks []int64
	for _, i := range rand.Perm((diskSize - metadata) / pageSize)[:changedBlocks] {
		blocks = append(blocks, int64(i)*pageSize)
	}
	slices.Sort(blocks)
	return blocks
}

// full sends everything again, and says how long that took.
func (p *pair) full(ctx context.Context, r resource) (time.Duration, error) {
	return p.timed(ctx, r, func() error {
		return p.engines[0].order(ctx, control.Order{Order: "invalidate-remote", Resource: r.name})
	})
}

// changed writes blocks while the nodes are apart, and says how long they took
// to be sent when the nodes had met again.
func (p *pair) changed(ctx context.Context, r resource, blocks []int64) (time.Duration, error) {
	if err := p.engines[1].order(ctx, control.Order{Order: "disconnect", Resource: r.name}); err != nil {
		return 0, err
	}
	u, err := p.user(r)
	if err != nil {
		return 0, err
	}
	block := make([]byte, pageSize)
	for _, at := range blocks {
		w := nbd.Request{Command: nbd.CommandWrite, Offset: uint64(at), Length: pageSize}
		err := u.write([][]byte{w.Append(nil), block})
		if err == nil {
			err = u.receive(make([]byte, nbd.ReplySize))
		}
		if err != nil {
			return 0, errors.Join(err, u.close())
		}
	}
	if err := u.close(); err != nil {
		return 0, err
	}
	return p.timed(ctx, r, func() error {
		return p.engines[1].order(ctx, control.Order{Order: "connect", Resource: r.name})
	})
}

// timed begins a resync and waits for its end. How long it took is the source's
// word.
func (p *pair) timed(ctx context.Context, r resource, begin func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var from, to time.Time
	err := p.engines[0].Control.Follow(ctx, begin, func(line json.RawMessage) {
		var e node.Event
		if json.Unmarshal(line, &e) != nil || e.Resource != r.name {
			return
		}
		switch {
		case strings.Contains(e.Text, "resync of"):
			from = e.Time
		case strings.Contains(e.Text, "resync done"):
			to = e.Time
			cancel()
		}
	})
	if from.IsZero() || to.IsZero() {
		return 0, fmt.Errorf("no resync from its begin to its end: %w", err)
	}
	return to.Sub(from), p.synced(context.WithoutCancel(ctx))
}

// copier copies blocks from one disk to another.
type copier struct {
	from, to int
	paths    [2]string
	memory   []byte
}

func newCopier(r resource) (*copier, error) {
	c := &copier{memory: aligned(1 << 20)}
	var err error
	for i, fd := range []*int{&c.from, &c.to} {
		c.paths[i] = r.disks[i] + ".copy"
		if err := makeDisk(c.paths[i], diskSize); err != nil {
			return nil, err
		}
		if *fd, _, err = openDisk(c.paths[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *copier) close() {
	for i, fd := range []int{c.from, c.to} {
		_, _ = closeDisk(fd), os.Remove(c.paths[i]) // the directory goes as well
	}
}

// copy copies the blocks at these offsets, which are in order.
func (c *copier) copy(blocks []int64) (time.Duration, error) {
	begin := time.Now()
	for len(blocks) > 0 {
		n := 1
		for n < len(blocks) && n < len(c.memory)/pageSize && blocks[n] == blocks[n-1]+pageSize {
			n++
		}
		piece := c.memory[:n*pageSize]
		if _, err := unix.Pread(c.from, piece, blocks[0]); err != nil {
			return 0, err
		}
		if _, err := unix.Pwrite(c.to, piece, blocks[0]); err != nil {
			return 0, err
		}
		blocks = blocks[n:]
	}
	return time.Since(begin), unix.Fdatasync(c.to)
}
