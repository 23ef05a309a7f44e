package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	mark       = "PxRc"
	frameFront = len(mark) + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameOf is an empty frame with room for n bytes.
func frameOf(n int) []byte { return append(make([]byte, 0, frameFront+n), mark+"........"...) }

// seal writes length and sum into the front of a frame.
func seal(frame []byte) {
	payload := frame[frameFront:]
	binary.LittleEndian.PutUint32(frame[len(mark):], uint32(len(payload)))
	binary.LittleEndian.PutUint32(frame[len(mark)+4:], crc32.Checksum(payload, castagnoli))
}

// writer is the goroutine's side of a Recorder.
type writer struct {
	dir, node string
	limit     int64
	problem   func(error)
	file      *os.File
	number    int
	failed    bool
}

// open makes the directory and goes on behind what is there.
func (w *writer) open() error {
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	old, err := w.segments()
	if err != nil || len(old) == 0 {
		return err
	}
	_, err = fmt.Sscanf(strings.TrimPrefix(filepath.Base(old[len(old)-1]), w.node+"-"), "%d", &w.number)
	return err
}

// segments are the files of the ring, oldest first.
func (w *writer) segments() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(w.dir, w.node+"-*.rec"))
	slices.Sort(files)
	return files, err
}

func (w *writer) do(job work) {
	if job.save != "" {
		job.saved <- w.save(job.save)
		return
	}
	if w.failed && !job.begin {
		return // of a segment that is damaged already
	}
	err := w.write(job)
	w.failed = err != nil
	if err != nil {
		w.problem(fmt.Errorf("recording in %s: %w", w.dir, err))
	}
}

func (w *writer) write(job work) error {
	if job.begin {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if w.file == nil {
		return nil
	}
	_, err := w.file.Write(job.frame)
	return err
}

// begin starts a segment, and makes room for it.
func (w *writer) begin() error {
	w.close()
	old, err := w.segments()
	if err != nil {
		return err
	}
	for ; len(old) >= parts; old = old[1:] {
		if err := os.Remove(old[0]); err != nil {
			return err
		}
	}
	w.number++
	name := filepath.Join(w.dir, fmt.Sprintf("%s-%08d.rec", w.node, w.number))
	w.file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return err
}

func (w *writer) close() {
	if w.file != nil {
		_ = w.file.Close()
		w.file = nil
	}
}

// save copies the segments to one file, which is whole or not there.
func (w *writer) save(file string) error {
	segments, err := w.segments()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(file+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("save the recording: %w", err)
	}
	for _, s := range segments {
		err = errors.Join(err, appendFile(out, s))
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(file+".part", file)
	}
	if err != nil {
		return fmt.Errorf("save the recording to %s: %w", file, err)
	}
	return nil
}

func appendFile(out io.Writer, name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close())
}
