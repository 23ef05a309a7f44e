// Command blockio carries out operations of package workload on a block device,
// or on an export of polluxd's, and prints "done N" when the Nth is over. A
// failed one ends it, and so does content that is not as expected.
//
//	blockio [--depth N] /dev/drbd1|nbd:SOCKET:NAME KIND:OFFSET:LENGTH:SEED...
//
// With --reseed it does nothing but make the kernel's random numbers others than
// those that another machine draws that goes on from the same snapshot.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/qemu/entropy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "blockio:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	depth := 1
	if len(args) == 1 && args[0] == "--reseed" {
		return entropy.Reseed()
	}
	if len(args) > 1 && args[0] == "--depth" {
		if depth, err = strconv.Atoi(args[1]); err != nil {
			return err
		}
		args = args[2:]
	}
	if len(args) == 0 {
		return errors.New("no device named")
	}
	ops := make([]workload.Op, 0, len(args))
	for _, text := range args[1:] {
		o, err := workload.Parse(text)
		if err != nil {
			return err
		}
		ops = append(ops, o)
	}
	d, err := open(args[0])
	if err != nil {
		return err
	}
	return errors.Join(carryOut(d, ops, depth), d.Close())
}

func open(name string) (device, error) {
	if export, ok := strings.CutPrefix(name, "nbd:"); ok {
		socket, resource, _ := strings.Cut(export, ":")
		return openExport(socket, resource)
	}
	return openDevice(name)
}

// carryOut has up to depth operations under way; a flush waits for those
// before it.
func carryOut(d device, ops []workload.Op, depth int) error {
	var (
		working sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	room := make(chan struct{}, depth)
	for i, o := range ops {
		if o.Kind == workload.Flush || o.Kind == workload.Hold {
			working.Wait()
		}
		room <- struct{}{}
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		working.Go(func() {
			err := one(d, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", o, err))
			} else {
				fmt.Printf("done %d\n", i)
			}
			<-room
		})
	}
	working.Wait()
	return failed
}

func one(d device, o workload.Op) error {
	switch o.Kind {
	case workload.Write, workload.Sync, workload.Buffered:
		p := aligned(o.Length)
		workload.Fill(p, o.Offset, o.Seed)
		return d.Write(o.Kind, p, o.Offset)
	case workload.Trim:
		return d.Trim(o.Offset, o.Length)
	case workload.Zero:
		return d.Zero(o.Offset, o.Length)
	case workload.Flush:
		return d.Flush()
	case workload.Check:
		got, want := aligned(o.Length), make([]byte, o.Length)
		if err := d.Read(got, o.Offset); err != nil {
			return err
		}
		if o.Seed != 0 {
			workload.Fill(want, o.Offset, o.Seed)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("read %.40q, want %.40q", got, want)
		}
		return nil
	case workload.Hold:
		fmt.Println("holding")
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		<-c
		return nil
	default:
		return errors.New("not known here")
	}
}
