package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
)

// pace is how often the guest writes a record: often enough to catch a failure
// in the middle of one, and seldom enough for a machine that does other things.
const pace = 2 * time.Millisecond

// Found is what a guest saw when it started: the demo's verdict is made of it.
type Found struct {
	Node         string `json:"node"`
	Acknowledged uint64 `json:"acknowledged"` // records that were promised
	Found        uint64 `json:"found"`        // of them, on the device
	Lost         uint64 `json:"lost"`
	FirstLost    uint64 `json:"first-lost,omitempty"`
}

// foundPath is where a guest leaves what it found; the newest one counts.
func foundPath(dir, node string) string { return filepath.Join(dir, node, "found.json") }

type guest struct{ dir, node, socket string }

// GuestCommand is the demo's stand-in for a guest, which the demo's xenHA
// starts.
func GuestCommand() *cobra.Command {
	var g guest
	cmd := &cobra.Command{
		Use: "demo-guest", Hidden: true, Args: cobra.NoArgs,
		Short: "stand in for a guest: write numbered records to an exported device",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM)
			defer stop()
			return g.run(ctx)
		},
	}
	cmd.Flags().StringVar(&g.dir, "dir", "", "directory of the demo")
	cmd.Flags().StringVar(&g.node, "node", "", "name of the node")
	cmd.Flags().StringVar(&g.socket, "socket", "", "socket of the device")
	return cmd
}

// run verifies every acknowledged record, then writes on until it is told to
// stop.
func (g *guest) run(ctx context.Context) error {
	device, err := nbdclient.Dial(g.socket, "r1")
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }()
	slots := uint64(device.Size() / recordSize)
	last, err := readNotes(g.dir)
	if err != nil {
		return err
	}
	if err := g.verify(device, last, slots); err != nil {
		return err
	}
	promised, err := openNotes(g.dir)
	if err != nil {
		return err
	}
	defer func() { _ = promised.file.Close() }()
	block := make([]byte, recordSize)
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for number := last + 1; ; number++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		putRecord(block, number)
		if _, err := device.WriteAt(block, int64(number%slots)*recordSize); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
		if err := device.Flush(); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
		if err := promised.add(number); err != nil {
			return err
		}
	}
}

// verify looks for every record that was acknowledged and not overwritten
// since.
func (g *guest) verify(device *nbdclient.Client, last, slots uint64) error {
	f := Found{Node: g.node, Acknowledged: last}
	block := make([]byte, recordSize)
	for number := uint64(1); number <= last; number++ {
		if number+slots <= last {
			f.Found++ // overwritten by a later one, which is looked for
			continue
		}
		if _, err := device.ReadAt(block, int64(number%slots)*recordSize); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
		// The one record that was under way when the last guest died may
		// stand where an old one was.
		if got := getRecord(block); got == number || got == last+1 && number+slots == last+1 {
			f.Found++
			continue
		}
		if f.Lost == 0 {
			f.FirstLost = number
		}
		f.Lost++
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := foundPath(g.dir, g.node)
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
