package node

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/core/replica"
)

// verifyRange reads what is to be compared: start=SECTOR, where FromLast is
// the default, and stop=SECTOR, in units of 512 bytes.
func verifyRange(args []string, in *replica.Input) error {
	in.Sector = replica.FromLast
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		sector, err := strconv.ParseUint(strings.TrimSuffix(value, "s"), 10, 63)
		switch {
		case err != nil:
			return fmt.Errorf("found %q, want start=SECTOR or stop=SECTOR", arg)
		case name == "start":
			in.Sector = sector
		case name == "stop":
			in.Until = sector
		default:
			return fmt.Errorf("found %q, want start=SECTOR or stop=SECTOR", arg)
		}
	}
	return nil
}

// VerifyStatus is an online verify that is running, in the units of a resync,
// and what it has found so far.
type VerifyStatus struct {
	ResyncStatus
	OutOfSyncKiB uint64 `json:"out-of-sync-kib"`
}

// VerifiedStatus is what the last online verify found.
type VerifiedStatus struct {
	ComparedKiB   uint64 `json:"compared-kib"`
	OutOfSyncKiB  uint64 `json:"out-of-sync-kib"`
	UnreadableKiB uint64 `json:"unreadable-kib"`
	Complete      bool   `json:"complete"`
}

// verifyStatus tells of the verify that is running, and of the one before.
func verifyStatus(r *replica.Status) (running *VerifyStatus, last *VerifiedStatus) {
	if v := r.Verify; v != nil {
		running = &VerifyStatus{ResyncStatus: *resyncStatus(&v.Report), OutOfSyncKiB: v.OutOfSync * 4}
	}
	if v := r.Verified; v != nil {
		last = &VerifiedStatus{
			ComparedKiB: v.Compared * 4, OutOfSyncKiB: v.OutOfSync * 4, UnreadableKiB: v.Unreadable * 4,
			Complete: v.Complete,
		}
	}
	return running, last
}
