package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// metaPrinters print what drbdmeta does.
func metaPrinters(m *metaPlace) []*cobra.Command {
	add := func(verb, short string, text func(drbdmeta.Superblock) string) *cobra.Command {
		return &cobra.Command{
			Use: verb + " FILE", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				meta, err := readMeta(args[0], *m)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), text(meta.superblock))
				return err
			},
		}
	}
	return []*cobra.Command{
		add("get-gi", "print the generation in one line", func(s drbdmeta.Superblock) string { return s.GetGI() + "\n" }),
		add("show-gi", "print the generation with a legend", func(s drbdmeta.Superblock) string {
			return s.ShowGI() + s.AgreedSizeText()
		}),
		add("dstate", "print what the data are worth", func(s drbdmeta.Superblock) string { return s.DState() + "\n" }),
	}
}

// metaWriters change the metadata of a disk that nobody uses.
func metaWriters(m *metaPlace) []*cobra.Command {
	force := false
	add := func(verb, args, short, long string, run func(cmd *cobra.Command, d *metaDisk, args []string) error) *cobra.Command {
		n := len(strings.Fields(args))
		cmd := &cobra.Command{
			Use: verb + " " + args, Short: short, Long: long, Args: cobra.ExactArgs(n),
			RunE: func(cmd *cobra.Command, args []string) error {
				path := args[len(args)-1]
				d, err := openMetaDisk(path, *m)
				if err != nil {
					return err
				}
				if err = run(cmd, d, args); err != nil {
					err = fmt.Errorf("%s: %w", path, err)
				}
				return errors.Join(err, d.Close())
			},
		}
		return cmd
	}
	asks := func(cmd *cobra.Command) *cobra.Command {
		cmd.Flags().BoolVar(&force, "force", false, "do not ask")
		return cmd
	}
	confirmed := func(cmd *cobra.Command, format string, args ...any) error {
		return confirm(cmd, force, format, args...)
	}
	return []*cobra.Command{
		add("apply-al", "FILE", "mark what a crashed Primary may not have sent",
			"Mark in the bitmap what the activity log of a crashed Primary names, as an attach does.",
			func(_ *cobra.Command, d *metaDisk, _ []string) error { return d.applyLog() }),
		add("outdate", "FILE", "mark the data as old", "Mark the data as old, so that they are not used unless forced.",
			func(_ *cobra.Command, d *metaDisk, _ []string) error { return d.change(0, drbdmeta.MDWasUpToDate) }),
		add("invalidate", "FILE", "give the data up", "Give the data up: all is fetched from the peer.",
			func(_ *cobra.Command, d *metaDisk, _ []string) error {
				return d.change(drbdmeta.MDFullSync, drbdmeta.MDWasUpToDate|drbdmeta.MDConsistent)
			}),
		asks(add("wipe", "FILE", "take the metadata off the disk", "Take the metadata off the disk. The data stay.",
			func(cmd *cobra.Command, d *metaDisk, _ []string) error {
				if _, err := d.read(); err != nil {
					return err
				}
				if err := confirmed(cmd, "The disk will count as never used."); err != nil {
					return err
				}
				return d.write(d.at, make([]byte, drbdmeta.BlockSize))
			})),
		asks(add("restore", "DUMP FILE", "write metadata from a dump",
			`Write metadata as a dump says that 'pollux meta dump' or 'drbdmeta dump-md' has
printed. What the data are worth is in the dumps of pollux alone; with others
they count as Inconsistent, as after 'drbdmeta restore-md'.`,
			func(cmd *cobra.Command, d *metaDisk, args []string) error { return d.restore(cmd, args[0], confirmed) })),
		asks(add("convert", "FILE", "convert metadata of DRBD 0.7",
			`Convert metadata of DRBD 0.7 in their place to those of today. All of them is
checked first. Do it on both nodes, after a clean end of DRBD 0.7; the nodes then
know each other by the counters that they had.`,
			func(cmd *cobra.Command, d *metaDisk, _ []string) error { return d.convert(cmd, confirmed) })),
	}
}

var errNotConfirmed = errors.New("nothing was changed: answer 'yes', or give --force")

// confirm asks for a yes.
func confirm(cmd *cobra.Command, force bool, format string, args ...any) error {
	if force {
		return nil
	}
	cmd.PrintErrf(format+"\nType 'yes' to go on: ", args...)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // no answer is none
	if strings.TrimSpace(answer) != "yes" {
		return errNotConfirmed
	}
	return nil
}

// metaDisk is a disk that this command has for itself.
type metaDisk struct {
	*backing.Disk
	place metaPlace
	kind  drbdmeta.Kind
	at    int64 // the superblock of v08, in bytes
}

func openMetaDisk(path string, m metaPlace) (*metaDisk, error) {
	disk, err := backing.Open(path, backing.Options{})
	if err != nil {
		return nil, err
	}
	kind, l, err := m.layout(disk.Sectors(), 0, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), disk.Close())
	}
	return &metaDisk{Disk: disk, place: m, kind: kind, at: l.Superblock}, nil
}

// ReadAt reads whole sectors.
func (d *metaDisk) ReadAt(b []byte, offset int64) (int, error) {
	done := make(chan error, 1)
	d.ReadMeta(offset, b, func(err error) { done <- err })
	return len(b), <-done
}

// metaPiece is what is written at once, in bytes.
const metaPiece = 1 << 20

// write returns when all of b is durable.
func (d *metaDisk) write(offset int64, b []byte) error {
	done := make(chan error, 1)
	for len(b) > 0 {
		n := min(len(b), metaPiece)
		d.WriteMeta(offset, b[:n], n == len(b), func(err error) { done <- err })
		if err := <-done; err != nil {
			return err
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}

func (d *metaDisk) read() (offlineMeta, error) { return readMetaFrom(d, d.Sectors(), d.place) }

// change sets and clears flags.
func (d *metaDisk) change(set, cleared drbdmeta.Flags) error {
	meta, err := d.read()
	if err != nil {
		return err
	}
	s := meta.superblock
	s.Flags = s.Flags&^cleared | set
	return d.write(d.at, s.Append(nil))
}

// applyLog keeps the order that drbdmeta.Replay asks for.
func (d *metaDisk) applyLog() error {
	meta, err := d.read()
	s := meta.superblock
	if err != nil || !s.NeedsReplay() {
		return err
	}
	replayed, err := drbdmeta.Replay(s, meta.log)
	if err != nil {
		return err
	}
	drbdmeta.MarkExtents(meta.bitmap, replayed.Hot)
	l := s.Layout(d.at)
	if err := d.write(l.Bitmap, meta.bitmap); err != nil {
		return err
	}
	if err := d.write(l.ActivityLog, emptyLog(l)); err != nil {
		return err
	}
	s.Flags, s.Clean = s.Flags|drbdmeta.MDALClean, true
	return d.write(d.at, s.Append(nil))
}

func emptyLog(l drbdmeta.Layout) []byte {
	var log []byte
	for int64(len(log)) < l.ALSize {
		log = drbdmeta.AppendInitialized(log)
	}
	return log
}

type confirmation func(cmd *cobra.Command, format string, args ...any) error

// restore writes what a dump says.
func (d *metaDisk) restore(cmd *cobra.Command, dump string, confirmed confirmation) error {
	text, err := os.ReadFile(dump)
	if err != nil {
		return err
	}
	p, err := drbdmeta.ParseDump(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", dump, err)
	}
	_, l, err := d.place.layout(d.Sectors(), p.Super.Stripes, p.Super.StripeSize4k)
	if err != nil {
		return err
	}
	s := p.Super.At(l)
	if err := s.Validate(d.kind, d.at, d.Sectors()); err != nil {
		return err
	}
	if s.Size > l.DataSectors {
		return fmt.Errorf("the dump is of %d sectors, the disk has room for %d", s.Size, l.DataSectors)
	}
	if err := confirmed(cmd, "The metadata on the disk, if any, is replaced by that of %s.", dump); err != nil {
		return err
	}
	return d.replace(l, s, p.Bitmap)
}

// replace writes all parts, so that none is believed before it is whole.
func (d *metaDisk) replace(l drbdmeta.Layout, s drbdmeta.Superblock, bitmap []byte) error {
	if err := d.write(d.at, make([]byte, drbdmeta.BlockSize)); err != nil {
		return err
	}
	if err := d.write(l.Bitmap, bitmap); err != nil {
		return err
	}
	if err := d.write(l.ActivityLog, emptyLog(l)); err != nil {
		return err
	}
	return d.write(d.at, s.Append(nil))
}

// convert makes metadata of today of those of DRBD 0.7.
func (d *metaDisk) convert(cmd *cobra.Command, confirmed confirmation) error {
	at := d.at
	if d.kind == drbdmeta.KindInternal {
		old, ok := drbdmeta.V07Offset(d.Sectors())
		if !ok {
			return fmt.Errorf("the disk is too small for metadata of DRBD 0.7: %w", drbdmeta.ErrNoMetadata)
		}
		at = old
	}
	block, err := readPart(d, "superblock", at, drbdmeta.BlockSize)
	if err != nil {
		return err
	}
	v, err := drbdmeta.DecodeV07(block)
	if err != nil {
		return err
	}
	old := v.V07Layout(at)
	log, err := readPart(d, "activity log", old.ActivityLog, old.ALSize)
	if err != nil {
		return err
	}
	bitmap, err := readPart(d, "bitmap", old.Bitmap, old.BitmapSize)
	if err != nil {
		return err
	}
	_, l, err := d.place.layout(d.Sectors(), 0, 0)
	if err != nil {
		return err
	}
	s, err := v.Convert(l, bitmap, log)
	switch {
	case err != nil:
		return err
	case d.kind == drbdmeta.KindInternal && v.Size > uint64(at)/drbdmeta.SectorSize:
		return fmt.Errorf("its size of %d sectors reaches into the metadata: %w", v.Size, drbdmeta.ErrInvalid)
	case d.kind == drbdmeta.KindInternal && l.Bitmap < old.Bitmap+old.BitmapSize:
		return errors.New("the old bitmap is where the new metadata belong, and a crash could lose both: " +
			"write fresh metadata with create-md, and sync in full")
	}
	err = confirmed(cmd, "DRBD 0.7 metadata of %d KiB, %s, generation %s\nbecome those of today; DRBD 0.7 will not find its own.",
		v.Size/2, v.Flags, s.GetGI())
	if err != nil {
		return err
	}
	if d.kind != drbdmeta.KindInternal {
		// All stays in its place; what the log names is marked before that is emptied.
		if err := d.write(old.Bitmap, bitmap); err != nil {
			return err
		}
		if err := d.write(l.ActivityLog, emptyLog(l)); err != nil {
			return err
		}
		return d.write(at, s.Append(nil))
	}
	if err := d.replace(l, s, bitmap); err != nil {
		return err
	}
	return d.write(at, make([]byte, drbdmeta.BlockSize))
}
