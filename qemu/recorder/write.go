package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/optionc/pollux/qemu/record"
)

// write verifies what is in the file, then appends records until ctx ends.
func write(ctx context.Context, name string, interval time.Duration) (err error) {
	content, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	records, torn, err := record.Verify(content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("recorder: verified %d records, cut off %d bytes\n", len(records), torn)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at := int64(len(records)) * record.Size
	if err := f.Truncate(at); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(name)); err != nil {
		return err
	}
	tick := time.NewTicker(max(interval, time.Nanosecond))
	defer tick.Stop()
	for number := int64(len(records)) + 1; ; number++ {
		line := record.Record{Number: number, At: time.Duration(time.Now().UnixNano())}.Append(nil)
		if _, err := f.WriteAt(line, at); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		fmt.Print(string(line))
		at += record.Size
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Printf("recorder: stopped after %d records\n", number)
			return nil
		}
	}
}

// syncFolder makes the name of a new file safe.
func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
