// Package export makes a resource's device visible to its users.
//
// Server is the front end that needs nothing of the kernel: an NBD server on a
// unix socket. Package kernel has the one that makes a block device. What reads a user's requests and what answers them are the same
// for every front end:
//
//	user -> Frontend -> Handler(r) ... the core ... r.Answer(buf, err).Flush() -> user
//
// A front end exists from Expose to Withdraw only: a node that must not serve
// its data has no device that anybody could open.
package export

import (
	"github.com/optionc/pollux/daemon/core/replica"
)

// A Frontend makes a resource's device visible to users. Expose and Withdraw
// may wait for requests of their own, such as a last flush, so the one who
// answers requests must not call them. Users and Holder wait for nothing. Close
// may wait for calls of the Handler to return.
type Frontend interface {
	// Expose lets users open the device. Exposing it again changes what the
	// next user sees; it must not shrink under those who are there.
	Expose(spec Spec) error
	// Withdraw makes the device vanish. It refuses while the device has users,
	// unless forced: then they lose it at once. A Handler that was being called
	// may still be seen to run.
	Withdraw(force bool) error
	// Users is how many have the device open.
	Users() int
	// Holder names one of the users, for messages; empty if there is none.
	Holder() string
	// Close gives up all resources, whoever uses the device: its users lose it,
	// or wait for the next daemon where the front end can make them wait.
	Close() error
}

// Spec is what users see of a device.
type Spec struct {
	// Name is the resource's.
	Name string
	// Sectors is the size in units of 512 bytes.
	Sectors uint64
	// LogicalBlock and PhysicalBlock are in bytes, powers of two from 512: the
	// smallest request, and the smallest one that is cheap. The former is at
	// most 4096.
	LogicalBlock, PhysicalBlock int
	// NoTrim hides that the device can trim, for disks on which trimming is as
	// slow as writing.
	NoTrim bool
}

// MaxRequest is the largest Request.Size in bytes; what users ask beyond it
// comes in pieces.
const MaxRequest = 1 << 20

// A Handler starts a request. It is called on the goroutine that reads from
// one user, and keeps that user waiting until it returns.
type Handler func(r *Request)

// Request is one piece of work for the resource. It lies within the device, on
// logical blocks, is at most MaxRequest long, and only a flush is empty. The
// Request is the Handler's until Answer.
type Request struct {
	Op     replica.Op
	FUA    bool
	Size   uint32 // bytes
	Sector uint64 // units of 512 bytes
	// Buf is the payload of a write, with a reference that the Handler owns.
	Buf replica.Buf

	at      uint32 // bytes from the start of command
	command *command
	next    *Request
}

// An Outbox has the answers that one user has yet to get.
type Outbox interface {
	// Flush sends what is there. It never waits: what the user does not take at
	// once follows by itself.
	Flush()
}

// Answer answers the request; it never waits. The Request must not be used any
// more. The answer leaves at the next Flush of the Outbox, so that one system
// call can do for many.
//
// Without err a read lends buf, which is Size bytes or more and stays the
// caller's: Answer makes a reference of its own if the user has yet to get it.
// Otherwise buf is not looked at. Of errors a user is told ENOSPC, EINVAL or
// else EIO.
func (r *Request) Answer(buf replica.Buf, err error) Outbox {
	c := r.command.conn
	c.done(r, buf, err)
	return c
}
