// Package block gives a machine a disk that is a faults/disk, over NBD on a
// unix socket: what the machine did not flush is dropped or kept at a power
// loss as the model says, and sectors can be made to fail. The test sees both
// what a reader would see and what is on the medium, without the machine's
// help.
package block

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/optionc/pollux/faults/disk"
)

// SectorSize is what a disk writes as a whole, in bytes.
const SectorSize = disk.SectorSize

// sector is the content of one sector; nil is zeroes. It is never changed once
// the model has it.
type sector = *[SectorSize]byte

// Disk is one disk. It outlives the machines that use it.
type Disk struct {
	mu     sync.Mutex
	model  *disk.Disk[sector]
	failed []extent
	slow   time.Duration
	hung   *hang // nil: requests are carried out
	server server
}

// extent is a range of sectors.
type extent struct{ start, n int }

// New is a disk of zeroes; size is in bytes, a multiple of SectorSize.
func New(size int64) *Disk {
	return &Disk{model: disk.New[sector](int(size/SectorSize), nil)}
}

// Size is in bytes.
func (d *Disk) Size() int64 { return int64(d.model.Sectors()) * SectorSize }

// Clone is a disk of its own that is like d now, its cache included: what a
// machine needs that goes on from a snapshot.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{model: d.model.Clone()}
}

// Become makes d what o is now, its cache included. Nobody may use d meanwhile.
func (d *Disk) Become(o *Disk) {
	model := o.Clone().model
	d.mu.Lock()
	defer d.mu.Unlock()
	d.model, d.failed = model, nil
}

// Unflushed is how many sector writes a power loss could take now.
func (d *Disk) Unflushed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.model.Unflushed()
}

// PowerLoss is the moment at which the power of disk and machine goes: call it
// when the machine's process is dead. Requests that it had sent and that were
// not carried out yet are lost, and of each sector that was not flushed,
// survives decides whether it had reached the medium.
func (d *Disk) PowerLoss(survives func() bool) {
	d.goOn(true)
	d.server.hangUp()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.model.PowerLoss(survives)
}

// Nothing survives: every sector that was not flushed is lost.
func Nothing() bool { return false }

// Fail makes n sectors answer reads and writes with an I/O error until Heal.
func (d *Disk) Fail(start, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = append(d.failed, extent{start, n})
}

// Slow makes each request take that much longer until Heal.
func (d *Disk) Slow(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = by
}

// Hang lets no request end until Heal or PowerLoss.
func (d *Disk) Hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hung == nil {
		d.hung = &hang{over: make(chan struct{})}
	}
}

// hang is a time in which nothing is carried out.
type hang struct {
	over chan struct{} // closed at its end
	lost bool          // what waits then is never carried out
}

// errLost ends a connection whose requests are lost.
var errLost = errors.New("the power went while the request waited")

// await is over when the disk has time for a request.
func (d *Disk) await() error {
	d.mu.Lock()
	slow, hung := d.slow, d.hung
	d.mu.Unlock()
	time.Sleep(slow)
	if hung == nil {
		return nil
	}
	<-hung.over
	if hung.lost {
		return errLost
	}
	return nil
}

// goOn ends what Hang began.
func (d *Disk) goOn(lost bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hung != nil {
		d.hung.lost = lost
		close(d.hung.over)
		d.hung = nil
	}
}

// MakeBad makes n sectors unreadable until they are written.
func (d *Disk) MakeBad(start, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.model.MakeBad(start, n)
}

// Heal ends what Fail, Slow and Hang began.
func (d *Disk) Heal() {
	d.goOn(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.slow = nil, 0
}

// ReadAt reads what the machine would read now; off and len(p) are multiples of
// SectorSize.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	start, n, err := d.extent(int64(len(p)), off)
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(start, n); err != nil {
		return 0, err
	}
	content := make([]sector, n)
	if err := d.model.Read(start, content); err != nil {
		return 0, err
	}
	for i, c := range content {
		to := p[i*SectorSize : (i+1)*SectorSize]
		if c == nil {
			clear(to)
			continue
		}
		copy(to, c[:])
	}
	return len(p), nil
}

// WriteAt writes as the machine would, without a flush.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	return len(p), d.write(append([]byte(nil), p...), int64(len(p)), off, false)
}

// write keeps p, which nobody may change any more; p is nil for zeroes.
func (d *Disk) write(p []byte, length, off int64, durable bool) error {
	start, n, err := d.extent(length, off)
	if err != nil {
		return err
	}
	content := make([]sector, n)
	if p != nil {
		for i := range content {
			content[i] = sector(p[i*SectorSize:])
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(start, n); err != nil {
		return err
	}
	return d.model.Write(start, content, durable)
}

func (d *Disk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.model.Flush(d.model.Stamp())
}

func (d *Disk) extent(length, off int64) (start, n int, err error) {
	if off%SectorSize != 0 || length%SectorSize != 0 {
		return 0, 0, fmt.Errorf("%d bytes at %d: want multiples of %d", length, off, SectorSize)
	}
	return int(off / SectorSize), int(length / SectorSize), nil
}

func (d *Disk) check(start, n int) error {
	for _, f := range d.failed {
		if start < f.start+f.n && f.start < start+n {
			return fmt.Errorf("sectors %d to %d: I/O error as ordered", start, start+n-1)
		}
	}
	return nil
}
