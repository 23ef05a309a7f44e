package node

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// expose shows the device to users, of the size that the core last named.
func (d *device) expose() error {
	d.showing.Lock()
	defer d.showing.Unlock()
	if err := d.front.Expose(d.spec()); err != nil {
		return err
	}
	d.shown = true
	return nil
}

func (d *device) spec() export.Spec {
	spec := export.Spec{
		Name: d.conf.Conf.Name, Sectors: d.sectors.Load(), LogicalBlock: 512, PhysicalBlock: 4096,
	}
	if data, _ := d.disks(); data != nil {
		spec.LogicalBlock, spec.NoTrim = data.LogicalBlock(), !data.Discards()
	}
	return spec
}

// grow changes the size under the users. A device that is about to be shown
// has it right from the start.
func (d *device) grow() {
	d.showing.Lock()
	defer d.showing.Unlock()
	if !d.shown {
		return
	}
	if err := d.front.Expose(d.spec()); err != nil {
		d.tell("users do not see that the device has grown: " + err.Error())
	}
}

func (d *device) withdraw() error {
	d.showing.Lock()
	defer d.showing.Unlock()
	if err := d.front.Withdraw(false); err != nil {
		return err
	}
	d.shown = false
	return nil
}

// measure tells the core how large the disks below are now.
func (d *device) measure() {
	in := replica.Input{Kind: replica.Measured}
	data, meta := d.disks()
	err := errors.New("the disk was let go")
	if data != nil {
		var of [2]error
		in.Disk.DataSectors, of[0] = data.Measure()
		in.Disk.MetaSectors, of[1] = meta.Measure()
		err = errors.Join(of[:]...)
	}
	if err != nil {
		in.Failed, in.Text = true, err.Error()
	}
	d.put(in)
}

// What drbdadm remembers of a disk with internal metadata, so that it finds that
// again when the disk has grown meanwhile:
//
//	<size in bytes> TAB <path of the disk>
//
// in the file drbd-minor-<minor>.lkbd. Source: DRBD meta-data, section 2.1.
func lastKnown(dir string, v *drbdconf.Volume) string {
	return filepath.Join(dir, fmt.Sprintf("drbd-minor-%d.lkbd", v.Minor))
}

// LastKnownDir is where drbdadm has its notes.
const LastKnownDir = "/var/lib/drbd"

func (o Options) lastKnownDir() string {
	if o.LastKnownDir != "" {
		return o.LastKnownDir
	}
	return o.StateDir
}

// remember notes where the metadata is. Without the note an attach after a crash
// in the middle of the next resize would not find it.
func (d *device) remember(sectors uint64) {
	text := fmt.Sprintf("%d\t%s\n", sectors*backing.SectorSize, d.conf.Volume.Disk)
	path := lastKnown(d.node.options.lastKnownDir(), d.conf.Volume)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = writeDurably(path, []byte(text))
	}
	if err != nil {
		d.tell("where the metadata is could not be noted, and will be looked for at the end of the disk only: " + err.Error())
	}
}

// recall gives the size in sectors that the disk had when its metadata was last
// seen at its end, 0 if that is not known.
func recall(dir string, v *drbdconf.Volume) uint64 {
	if v.Meta.Kind != drbdconf.MetaInternal {
		return 0
	}
	text, err := os.ReadFile(lastKnown(dir, v))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	size, path, _ := strings.Cut(line, "\t")
	bytes, err := strconv.ParseUint(size, 10, 63)
	if err != nil || path != v.Disk {
		return 0
	}
	return bytes / backing.SectorSize
}

// resizeArgs reads the arguments of a resize, which are named as drbdsetup's
// options. Without a size, the one in drbd.conf counts.
func resizeArgs(in *replica.Input, args []string, r config.Resource) error {
	in.Sector = uint64(max(r.Volume.Options.Size, 0))
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "assume-clean":
			in.AssumeClean = true
		case "assume-peer-has-space":
			in.AssumePeer = true
		case "size":
			in.Sector, err = ParseSectors(value)
		default:
			err = errors.New("want size=SIZE, assume-clean or assume-peer-has-space")
		}
		if err != nil {
			return fmt.Errorf("resize %s: argument %q: %w", r.Conf.Name, arg, err)
		}
	}
	return nil
}

// ParseSectors reads a size as drbdsetup does: a number of sectors of 512
// bytes, or of the unit behind it, rounded up.
func ParseSectors(text string) (uint64, error) {
	shift, digits := 9, text
	if i := strings.IndexAny(text, "sSkKmMgGtT"); i >= 0 && i == len(text)-1 {
		shift = map[byte]int{'s': 9, 'k': 10, 'm': 20, 'g': 30, 't': 40}[strings.ToLower(text)[i]]
		digits = text[:i]
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("found %q, want a number of sectors, or one with K, M, G or T", text)
	}
	return n << (shift - 9), nil
}
