package main

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// metaPlace says where on a disk its metadata is.
type metaPlace struct {
	external bool
	index    int // -1 for none
}

// offlineMeta is the metadata of a disk that no daemon needs to have open.
type offlineMeta struct {
	superblock drbdmeta.Superblock
	at         int64 // bytes from the start of the disk
	bitmap     []byte
	log        []byte
}

func newMeta() *cobra.Command {
	m := metaPlace{}
	meta := &cobra.Command{
		Use: "meta", Short: "look at the metadata of a disk that is not in use, or change it",
		Long: `Look at the metadata of a disk that is not in use, or of a file that holds one,
or change it as drbdmeta does. Without a flag the metadata is looked for at the
end, where 'meta-disk internal' has it.`,
	}
	f := meta.PersistentFlags()
	f.BoolVar(&m.external, "external", false, "the file is a flexible meta-disk of its own")
	f.IntVar(&m.index, "index", -1, "the file is a meta-disk of its own; look at this slot of 128 MiB")
	meta.MarkFlagsMutuallyExclusive("external", "index")
	meta.AddCommand(&cobra.Command{
		Use: "dump FILE", Short: "print the metadata as drbdmeta dump-md does", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return dumpMeta(cmd.OutOrStdout(), args[0], m) },
	}, &cobra.Command{
		Use: "check FILE", Short: "say what is wrong with the metadata", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return checkMeta(cmd.OutOrStdout(), args[0], m) },
	})
	meta.AddCommand(metaPrinters(&m)...)
	meta.AddCommand(metaWriters(&m)...)
	return meta
}

func dumpMeta(w io.Writer, path string, m metaPlace) error {
	meta, err := readMeta(path, m)
	if err != nil {
		return err
	}
	now := time.Now()
	_, err = fmt.Fprintf(w, "# DRBD meta data dump\n# %s [%d]\n# pollux meta dump %s\n%s%#x\n#\n\n%s",
		now.Format("2006-01-02 15:04:05 -0700"), now.Unix(), path, drbdmeta.FlagsComment, uint32(meta.superblock.Flags),
		drbdmeta.Dump(meta.superblock, meta.at, meta.bitmap))
	return err
}

func checkMeta(w io.Writer, path string, m metaPlace) error {
	meta, err := readMeta(path, m)
	if err != nil {
		return err
	}
	s := meta.superblock
	note := "closed cleanly"
	if s.NeedsReplay() {
		replayed, err := drbdmeta.Replay(s, meta.log)
		if err != nil {
			return fmt.Errorf("%s: it was not closed cleanly, and what was being written is unknown, "+
				"so the next attach marks everything as out of sync: %w", path, err)
		}
		note = fmt.Sprintf("not closed cleanly: the next attach marks %d extents of 4 MiB as out of sync, "+
			"%d log blocks are torn", len(replayed.Hot), replayed.Torn)
	}
	marked := 0
	for _, b := range meta.bitmap {
		marked += bits.OnesCount8(b)
	}
	_, err = fmt.Fprintf(w, "%s: metadata v08 at byte %d, no fault found\n"+
		"size: %d KiB agreed with the peer\nstate: %s\ngeneration: %s\nlog: %s\nout of sync: %d KiB\n",
		path, meta.at, s.Size/2, s.DState(), s.GetGI(), note, marked*(drbdmeta.BlockSize/1024))
	return err
}

// readMeta reads the metadata of the disk at path, and fails if it does not
// hang together.
func readMeta(path string, m metaPlace) (offlineMeta, error) {
	f, err := os.Open(path)
	if err != nil {
		return offlineMeta{}, err
	}
	defer f.Close()                    //nolint:errcheck // only read
	size, err := f.Seek(0, io.SeekEnd) // the size of a block device too
	if err == nil {
		err = isDisk(f)
	}
	if err != nil {
		return offlineMeta{}, err
	}
	meta, err := readMetaFrom(f, uint64(size)/drbdmeta.SectorSize, m)
	if err != nil {
		return offlineMeta{}, fmt.Errorf("%s: %w", path, err)
	}
	return meta, nil
}

// layout is where metadata with such an activity log belongs on a disk.
func (m metaPlace) layout(sectors uint64, stripes, stripeSize4k uint32) (drbdmeta.Kind, drbdmeta.Layout, error) {
	const data = 1 << 51 // sectors, on another disk
	switch {
	case m.index < -1:
		return 0, drbdmeta.Layout{}, fmt.Errorf("--index %d: want a slot from 0 on", m.index)
	case m.external:
		l, err := drbdmeta.FlexibleExternal(sectors, data, stripes, stripeSize4k)
		return drbdmeta.KindFlexible, l, err
	case m.index >= 0:
		l, err := drbdmeta.Indexed(m.index, sectors, data)
		return drbdmeta.KindIndexed, l, err
	default:
		l, err := drbdmeta.Internal(sectors, stripes, stripeSize4k)
		return drbdmeta.KindInternal, l, err
	}
}

// isDisk fails for what has a size that means nothing.
func isDisk(f *os.File) error {
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return fmt.Errorf("found the directory %s, want a disk, or a file that holds one", f.Name())
	}
	return err
}

func readMetaFrom(f io.ReaderAt, sectors uint64, m metaPlace) (offlineMeta, error) {
	kind, l, err := m.layout(sectors, 0, 0)
	if err != nil {
		return offlineMeta{}, err
	}
	meta := offlineMeta{at: l.Superblock}
	if meta.superblock, err = readSuperblock(f, kind, meta.at, sectors); err != nil {
		return offlineMeta{}, err
	}
	l = meta.superblock.Layout(meta.at)
	if meta.log, err = readPart(f, "activity log", l.ActivityLog, l.ALSize); err != nil {
		return offlineMeta{}, err
	}
	meta.bitmap, err = readPart(f, "bitmap", l.Bitmap, meta.superblock.BitmapBytes())
	return meta, err
}

// readSuperblock tells a disk of DRBD 0.7, whose superblock is elsewhere, from
// one without metadata.
func readSuperblock(f io.ReaderAt, kind drbdmeta.Kind, at int64, sectors uint64) (drbdmeta.Superblock, error) {
	b, err := readPart(f, "superblock", at, drbdmeta.BlockSize)
	if err != nil {
		return drbdmeta.Superblock{}, err
	}
	s, err := drbdmeta.DecodeSuperblock(b)
	old, ok := drbdmeta.V07Offset(sectors)
	if ok && kind == drbdmeta.KindInternal && errors.Is(err, drbdmeta.ErrNoMetadata) {
		if b, readErr := readPart(f, "superblock", old, drbdmeta.BlockSize); readErr == nil {
			if _, oldErr := drbdmeta.DecodeSuperblock(b); errors.Is(oldErr, drbdmeta.ErrV07) {
				return drbdmeta.Superblock{}, oldErr
			}
		}
	}
	if err != nil {
		return drbdmeta.Superblock{}, fmt.Errorf("superblock at byte %d: %w", at, err)
	}
	return s, s.Validate(kind, at, sectors)
}

func readPart(f io.ReaderAt, what string, at, length int64) ([]byte, error) {
	b := make([]byte, length)
	if _, err := f.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("reading the %s, %d bytes at byte %d: %w", what, length, at, err)
	}
	return b, nil
}
