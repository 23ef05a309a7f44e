package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/optionc/pollux/qemu/record"
)

// Verify shuts the guest on n down behind the cluster's back, and checks what
// must be true of its data: its file system is clean, every record that any
// guest has promised is in it, and both nodes' disks are equal. Then the guest
// runs again. What it returns are the records.
func (p *Pair) Verify(ctx context.Context, n *Node) ([]record.Record, error) {
	p.say("%s: the guest is shut down to look at its data", n.Name)
	began := time.Now()
	if _, err := n.Shell(ctx, "xl shutdown -w web1 && while xl domid web1 2>/dev/null; do sleep 0.2; done"); err != nil {
		return nil, err
	}
	// Its last lines may still be on their way here.
	if _, err := n.says(ctx, began, "web1 unmounted"); err != nil {
		return nil, err
	}
	said, err := n.Shell(ctx, "e2fsck -fn /dev/vg/web1 && mount -o ro,noload /dev/vg/web1 /mnt")
	if err != nil {
		return nil, err
	}
	content, err := n.vm.Get(ctx, "/mnt/records")
	if _, failed := n.Shell(ctx, "umount /mnt"); failed != nil || err != nil {
		return nil, errors.Join(err, failed)
	}
	records, torn, err := record.Verify(content)
	if err != nil {
		return nil, err
	}
	if torn > 0 {
		return nil, fmt.Errorf("the records on %s end in %d bytes that are none", n.Name, torn)
	}
	if err := errors.Join(p.kept(records), p.equal(ctx, n)); err != nil {
		return nil, err
	}
	p.say("%s: fsck: %s", n.Name, lastLine(said))
	p.say("%s: %d records, all that were promised; both disks are equal", n.Name, len(records))
	_, err = n.Shell(ctx, "xl create -q /etc/xen/ha.d/web1.cfg")
	return records, err
}

// kept checks that every promised record is there, as it was printed.
func (p *Pair) kept(records []record.Record) error {
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		n.mu.Lock()
		printed := n.printed
		n.mu.Unlock()
		for _, p := range printed {
			if at := p.record.Number - 1; at >= int64(len(records)) || records[at] != p.record {
				return fmt.Errorf("record %d, promised on %s, is not there: found %d records",
					p.record.Number, n.Name, len(records))
			}
		}
	}
	return nil
}

// equal compares the data on both disks, from outside.
func (p *Pair) equal(ctx context.Context, n *Node) error {
	r, err := n.Resource(ctx)
	if err != nil {
		return err
	}
	a, b := make([]byte, r.SizeKiB*1024), make([]byte, r.SizeKiB*1024)
	if _, err := p.Milo1.data.ReadAt(a, 0); err != nil {
		return err
	}
	if _, err := p.Milo2.data.ReadAt(b, 0); err != nil {
		return err
	}
	var differ []int
	for at := 0; at < len(a); at += 4096 {
		if !bytes.Equal(a[at:at+4096], b[at:at+4096]) {
			differ = append(differ, at/4096)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("the disks differ in %d blocks of 4 KiB, the first is %d", len(differ), differ[0])
	}
	return nil
}

func lastLine(text string) string {
	lines := bytes.Split(bytes.TrimSpace([]byte(text)), []byte("\n"))
	return string(lines[len(lines)-1])
}

// LongestGap is the longest time between two records that follow each other, of
// those after a number, by the guest's own clock.
func LongestGap(records []record.Record, after int64) (gap time.Duration) {
	for i := int(max(after, 1)); i < len(records); i++ {
		gap = max(gap, records[i].At-records[i-1].At)
	}
	return gap
}
