package drbdadm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/backing"
	programs "github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// Exit statuses of drbdmeta. Source: drbd.conf and its tools, section 7.3.
const (
	exitCancelled = 1
	exitInUse     = 20
	exitNoMeta    = 255
)

// meta does what drbdmeta would.
func (c *call) meta(ctx context.Context, s step, stderr io.Writer) int {
	complain := func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, format+"\n", args...) }
	r := c.running(ctx, s.target)
	if r != nil && drbdwire.UnpackState(r.StateWord).Disk > drbdwire.Diskless {
		complain("Device '%d' is configured!", s.volume.Minor)
		return exitInUse
	}
	m, err := node.OpenMeta(s.resource())
	switch {
	case errors.Is(err, drbdmeta.ErrNoMetadata):
		complain("No valid meta data found")
		return exitNoMeta
	case errors.Is(err, drbdmeta.ErrV07):
		complain("%s", err)
		return exitNoMeta
	case err != nil:
		c.print("Operation canceled.\n")
		if errors.Is(err, backing.ErrInUse) {
			err = fmt.Errorf("open(%s) failed: Device or resource busy", s.words[3])
		}
		complain("%s", err)
		return exitInUse
	}
	err = c.onDisk(m, s, complain)
	if err = errors.Join(err, m.Close()); err != nil {
		complain("%s", err)
		return exitInUse
	}
	return 0
}

// resource is what of drbd.conf says where the metadata is.
func (s step) resource() config.Resource {
	return config.Resource{Conf: s.target.resource, Own: s.target.own, Peer: s.target.peer, Volume: s.volume}
}

// onDisk carries a command out with metadata that nobody uses.
func (c *call) onDisk(m *node.DiskMeta, s step, complain func(string, ...any)) error {
	super := m.Super
	switch s.words[5] {
	case "apply-al":
		// The attach does that. What it will do is told here, where scripts and
		// people expect it.
		kib, err := m.ToReplay()
		if err == nil && kib > 0 {
			complain("Marked additional %d MB as out-of-sync based on AL.", kib/1024)
		}
		return err
	case "get-gi":
		c.print("%s\n", super.GetGI())
	case "show-gi":
		c.print("%s%s", super.ShowGI(), super.AgreedSizeText())
	case "dstate":
		c.print("%s/DUnknown\n", super.DState())
	case "dump-md":
		bitmap, err := m.Bitmap()
		if err != nil {
			return err
		}
		now := time.Now()
		c.print("# DRBD meta data dump\n# %s [%d]\n# %s\n#\n\n%s", now.Format("2006-01-02 15:04:05 -0700"), now.Unix(),
			s, drbdmeta.Dump(super, m.Layout.Superblock, bitmap))
	case "outdate":
		super.Flags &^= drbdmeta.MDWasUpToDate
		return m.Write(&super)
	case "invalidate":
		super.Flags &^= drbdmeta.MDWasUpToDate | drbdmeta.MDConsistent
		super.Flags |= drbdmeta.MDFullSync
		return m.Write(&super)
	case "wipe-md":
		if !c.confirmed("Do you really want to wipe out the DRBD meta data?", complain) {
			return nil
		}
		c.print("Wiping meta data...\n")
		err := m.Write(nil)
		if err == nil {
			c.print("DRBD meta data block successfully wiped out.\n")
		}
		return err
	}
	return nil
}

// number is the value of an option for the backend, 0 if it was not given.
func (c *call) number(option string) (uint32, error) {
	for _, word := range c.backend {
		if text, ok := strings.CutPrefix(word, "--"+option+"="); ok {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return 0, fmt.Errorf("--%s: %s is not a valid number", option, text)
			}
			return uint32(n), nil
		}
	}
	return 0, nil
}

func (c *call) forced() bool {
	return slices.Contains(c.backend, "--force")
}

// confirmed asks whoever is at the terminal. Where there is none, the answer is
// no.
func (c *call) confirmed(question string, complain func(string, ...any)) bool {
	if c.forced() {
		return true
	}
	complain("\n%s", question)
	if _, err := unix.IoctlGetTermios(int(c.Stdin.Fd()), unix.TCGETS); err != nil {
		complain("stdin not a TTY, not waiting for confirmation")
		c.print("Operation cancelled.\n")
		return false
	}
	c.print("[need to type 'yes' to confirm] ")
	var answer string
	if _, err := fmt.Fscanln(c.Stdin, &answer); err != nil || answer != "yes" {
		c.print("Operation cancelled.\n")
		return false
	}
	return true
}

// kinds are what drbdmeta calls the places of metadata.
var kinds = map[drbdconf.MetaKind]string{
	drbdconf.MetaInternal: "flexible-size internal", drbdconf.MetaFlexible: "flexible-size",
	drbdconf.MetaIndexed: "fixed-size",
}

// createMD is the one command that must not find metadata.
func createMD(ctx context.Context, c *call, t target) int {
	for _, v := range t.volumes {
		s := t.meta(v, append([]string{"create-md"}, c.backend...)...)
		if c.dryRun || c.verbose {
			c.print("%s\n", s)
		}
		if c.dryRun {
			continue
		}
		if code := c.create(ctx, s); code != 0 {
			return code
		}
	}
	return 0
}

func (c *call) create(ctx context.Context, s step) int {
	r := c.running(ctx, s.target)
	if r != nil && drbdwire.UnpackState(r.StateWord).Disk > drbdwire.Diskless {
		c.complain("Device '%d' is configured!\nCommand '%s' terminated with exit code %d", s.volume.Minor, s, exitInUse)
		return exitUsage
	}
	kind := kinds[s.volume.Meta.Kind]
	m, err := node.OpenMeta(s.resource())
	switch {
	case err == nil:
		if err := m.Close(); err != nil {
			c.complain("%s", err)
			return exitUsage
		}
		if !c.forced() {
			c.complain("You want me to create a v08 style %s meta data block.\nThere appears to be a v08 %s meta data block\n"+
				"already in place on %s at byte offset %d", kind, kind, s.words[3], m.Layout.Superblock)
		}
		if !c.confirmed("Do you really want to overwrite the existing meta-data?", c.complain) {
			return exitCancelled
		}
	case errors.Is(err, drbdmeta.ErrV07) && !c.forced():
		c.complain("%s", err)
		return exitUsage
	case !errors.Is(err, drbdmeta.ErrNoMetadata) && !errors.Is(err, drbdmeta.ErrV07):
		c.complain("%s", err)
		return exitUsage
	case !c.forced():
		if err := check.Spares(check.Look(ctx, programs.Exec, s.resource()), s.resource()); err != nil {
			c.complain("%s\nOperation refused.", err)
			return exitUsage
		}
	}
	return c.format(s)
}

// format writes fresh metadata, and says what drbdmeta says of it.
func (c *call) format(s step) int {
	var uuid [8]byte
	if _, err := rand.Read(uuid[:]); err != nil {
		c.complain("%s", err)
		return exitUsage
	}
	stripes, err := c.number("al-stripes")
	size, sizeErr := c.number("al-stripe-size-kB")
	log, logErr := node.StripingOf(stripes, size)
	if err := errors.Join(err, sizeErr, logErr); err != nil {
		c.complain("%s", err)
		return exitUsage
	}
	c.print("initializing activity log\n")
	sectors, err := node.Format(s.resource(), binary.NativeEndian.Uint64(uuid[:]), log)
	if err != nil {
		c.complain("%s", err)
		return exitUsage
	}
	// A bit for 4 KiB, in words of 64 bits.
	const perWord = 64 * drbdmeta.BlockSize / drbdmeta.SectorSize
	kib := (int64(sectors)+perWord-1)/perWord*8 + 1023
	c.complain("initializing bitmap (%d KB) to all zero", kib/1024)
	c.print("Writing meta data...\nNew drbd meta data block successfully created.\n")
	return 0
}
