package node

import (
	"sync"

	"github.com/optionc/pollux/daemon/core/replica"
)

// operation is what is under way on a data disk.
type operation struct {
	device *device
	in     replica.Input // the answer
	held   replica.Buf   // the payload of a write
	done   func(error)   // end, made once
	next   *operation
}

// operations keeps those that are over, so that a write makes no garbage.
type operations struct {
	mu    sync.Mutex
	spare *operation
	under int // way
}

// operation gives what a disk has to call when it is done.
func (d *device) operation(in replica.Input, held replica.Buf) (done func(error)) {
	d.operations.mu.Lock()
	d.operations.under++
	o := d.operations.spare
	if o != nil {
		d.operations.spare = o.next
	}
	d.operations.mu.Unlock()
	if o == nil {
		o = &operation{device: d}
		o.done = o.end
	}
	o.in, o.held, o.next = in, held, nil
	return o.done
}

func (o *operation) end(err error) {
	d, in := o.device, o.in
	if o.held != 0 {
		d.node.pool.Release(o.held)
	}
	d.operations.mu.Lock()
	o.next = d.operations.spare
	d.operations.spare = o
	d.operations.under--
	last := d.operations.under == 0
	d.operations.mu.Unlock()
	in = d.withError(in, err)
	if !last {
		d.put(in) // others follow: what they send goes with what this sends
		return
	}
	d.add(in)
	d.node.takeTurn()
}
