package lvm

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// Snapshot keeps what a logical volume held before a resync overwrites it.
type Snapshot struct {
	// Device is the volume, by the path that drbd.conf names.
	Device string
	// Run is command.Exec; a func in tests.
	Run command.Runner
}

// snapshotSuffix follows the volume's name in that of its snapshot.
const snapshotSuffix = "-before-resync"

// slack is the room for what users write meanwhile, in bytes, besides a tenth of
// what the resync copies.
const slack = 128 << 20

// Make takes the snapshot, with room for so many bytes of changes. One that is
// there already may be all that is left of good data, so it is an error.
func (s Snapshot) Make(ctx context.Context, changes int64) error {
	group, volume, err := s.volume(ctx)
	if err == nil {
		_, err = s.Run(ctx, command.Program{Name: "lvcreate", Limit: changeLimit, Args: []string{
			"--snapshot", "--name", volume + snapshotSuffix, "--size", strconv.FormatInt(changes+changes/10+slack, 10) + "b",
			group + "/" + volume,
		}})
	}
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", s.Device, err)
	}
	return nil
}

// Drop removes the snapshot, if there is one.
func (s Snapshot) Drop(ctx context.Context) error {
	group, volume, err := s.volume(ctx)
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", s.Device, err)
	}
	name := group + "/" + volume + snapshotSuffix
	if _, err := s.Run(ctx, command.Program{
		Name: "lvs", Args: []string{"--noheadings", "--options", "lv_name", name}, Limit: askLimit,
	}); err != nil {
		return nil //nolint:nilerr // there is none
	}
	if _, err = s.Run(ctx, command.Program{Name: "lvremove", Args: []string{"--yes", name}, Limit: changeLimit}); err != nil {
		return fmt.Errorf("remove snapshot %s: %w", name, err)
	}
	return nil
}

// volume asks LVM what the device is called there.
func (s Snapshot) volume(ctx context.Context) (group, name string, err error) {
	out, err := s.Run(ctx, command.Program{Name: "lvs", Limit: askLimit, Args: []string{
		"--noheadings", "--separator", "/", "--options", "vg_name,lv_name", s.Device,
	}})
	if err != nil {
		return "", "", err
	}
	group, name, ok := strings.Cut(strings.TrimSpace(string(out.Stdout)), "/")
	if !ok || group == "" || name == "" || strings.ContainsAny(name, "/\n") {
		return "", "", fmt.Errorf("it is no logical volume: lvs says %q", out.Stdout)
	}
	return group, name, nil
}
