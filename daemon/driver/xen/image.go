package xen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/command"
)

// A guest with pollux_move = "save" has a volume beside its disk for its memory.
// The end of that volume says whether what xl has put there may be used:
//
//	empty: ...    nothing is there, or the guest has run since
//	image: ...    the guest has not run since it was saved
//
// It becomes an image when all else is on disk, and is empty again before the
// image is used: memory meets the disk that it belongs to, and only once. Volume
// and disk are on one replicated device, so that any copy of it has both as they
// were at one time. All is done by programs: a device that is frozen hangs them,
// and not the daemon.
const (
	markSize  = 4096
	markEmpty = "empty: pollux\n"
	markImage = "image: pollux, of guest "
)

// oldImage is the age from which an image is not used: who knows what was done
// to the disk meanwhile.
const oldImage = 15 * time.Minute

// markLimit is how long it takes at most to read or write a mark.
const markLimit = 10 * time.Second

// save puts a guest's memory on its volume and ends the guest. If it fails the
// guest runs on, or is left without having been resumed.
func (g Guests) save(ctx context.Context, one guest, d domain) error {
	if err := g.mark(ctx, one, markEmpty); err != nil {
		return fmt.Errorf("save guest %s: %w", one.name, err)
	}
	if _, err := g.xl(ctx, g.patienceWith(one), "save", strconv.Itoa(d.id), one.image); err != nil {
		return fmt.Errorf("save guest %s: %w", one.name, err)
	}
	// A volume that is too small for the image and the mark has an image where
	// that was.
	found, err := g.marked(ctx, one)
	if err == nil && found != markEmpty {
		err = errors.New("its memory left no room on the volume")
	}
	if err == nil {
		err = g.mark(ctx, one, fmt.Sprintf("%s%s at %d\n", markImage, one.name, time.Now().Unix()))
	}
	if err != nil {
		return fmt.Errorf("save guest %s to %s: %w; it starts afresh", one.name, one.image, err)
	}
	g.Seen.note(one.name, sight{id: d.id, clean: true})
	return nil
}

// restore lets a saved guest go on. It is not done if there is no image that may
// be used; an error says why an image could not be.
func (g Guests) restore(ctx context.Context, one guest) (done bool, err error) {
	found, err := g.marked(ctx, one)
	if err != nil || !strings.HasPrefix(found, markImage) {
		return false, err
	}
	if err := g.mark(ctx, one, markEmpty); err != nil {
		return false, err
	}
	if last, ok := g.Seen.of(one.name); ok && !last.clean {
		return false, errHasRun
	}
	var name string
	var unix int64
	if _, err := fmt.Sscanf(strings.TrimPrefix(found, markImage), "%s at %d", &name, &unix); err != nil || name != one.name {
		return false, fmt.Errorf("%s has no image of guest %s: %.100q", one.image, one.name, found)
	}
	if age := time.Since(time.Unix(unix, 0)); age > oldImage || age < -oldImage {
		return false, fmt.Errorf("the image of guest %s on %s is %s old", one.name, one.image, age.Round(time.Second))
	}
	_, err = g.xl(ctx, createLimit, "restore", one.image)
	return err == nil, err
}

// mark writes the end of the volume, and waits until that is on disk with all
// that was written before.
func (g Guests) mark(ctx context.Context, one guest, text string) error {
	at, err := g.markAt(ctx, one)
	if err != nil {
		return err
	}
	block := make([]byte, markSize)
	copy(block, text)
	_, err = g.Run(ctx, command.Program{
		Name: "dd", Stdin: block, Limit: markLimit,
		Args: []string{
			"of=" + one.image, "bs=" + strconv.Itoa(markSize), "seek=" + at, "count=1", "iflag=fullblock", "conv=notrunc,fsync",
			"status=none",
		},
	})
	return err
}

// marked reads the end of the volume.
func (g Guests) marked(ctx context.Context, one guest) (string, error) {
	at, err := g.markAt(ctx, one)
	if err != nil {
		return "", err
	}
	out, err := g.Run(ctx, command.Program{
		Name: "dd", Limit: markLimit,
		Args: []string{"if=" + one.image, "bs=" + strconv.Itoa(markSize), "skip=" + at, "count=1", "status=none"},
	})
	text, _, _ := bytes.Cut(out.Stdout, []byte{0})
	return string(text), err
}

// markAt is the number of the last block of the volume.
func (g Guests) markAt(ctx context.Context, one guest) (string, error) {
	out, err := g.Run(ctx, command.Program{Name: "blockdev", Args: []string{"--getsize64", one.image}, Limit: markLimit})
	if err != nil {
		return "", err
	}
	size, err := strconv.ParseInt(strings.TrimSpace(string(out.Stdout)), 10, 64)
	if err != nil || size < 2*markSize {
		return "", fmt.Errorf("blockdev says that %s has %q bytes", one.image, out.Stdout)
	}
	return strconv.FormatInt(size/markSize-1, 10), nil
}
