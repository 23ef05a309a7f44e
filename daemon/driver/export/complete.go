package export

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// takeCommand waits until fewer than maxInFlight commands are unanswered.
func (c *connection) takeCommand(r nbd.Request) (*command, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.commands == nil && !c.broken.Load() {
		c.wait()
	}
	if c.broken.Load() {
		return nil, c.cause
	}
	cmd := c.commands
	c.commands = cmd.next
	c.inFlight++
	*cmd = command{conn: c, nbd: r.Command, cookie: r.Cookie, length: r.Length, pending: 1}
	return cmd, nil
}

// takeRequest waits until fewer than maxInFlight Requests are with the
// Handler.
func (c *connection) takeRequest(cmd *command) (*Request, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.requests == nil && !c.broken.Load() {
		c.wait()
	}
	if c.broken.Load() {
		return nil, c.cause
	}
	r := c.requests
	c.requests = r.next
	*r = Request{command: cmd}
	cmd.pending++
	return r, nil
}

// change lets go on who waits. It needs mu.
func (c *connection) change() {
	c.changes++
	c.changed.Broadcast()
}

// wait waits for a change, on the Handler's goroutine. It needs mu.
func (c *connection) wait() {
	seen := c.changes
	c.mu.Unlock()
	c.paused()
	c.mu.Lock()
	if seen == c.changes {
		c.changed.Wait()
	}
}

// dropRequest takes back one that no Handler has seen.
func (c *connection) dropRequest(r *Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd := r.command
	c.recycle(r)
	c.finish(cmd)
}

// setStage gives a read of more than MaxRequest memory for its whole reply. It
// does not come from the pool: a read that held some pieces there while it
// waits for room for the others would never end. There is one stage at a time,
// and only clients that ignore the advertised limit cause one.
func (c *connection) setStage(cmd *command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.staging && !c.broken.Load() {
		c.wait()
	}
	if c.broken.Load() {
		return c.cause
	}
	stage, err := unix.Mmap(-1, 0, int(cmd.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap of %d bytes for a large read: %w", cmd.length, err)
	}
	c.staging, cmd.stage = true, stage
	return nil
}

// done is Request.Answer.
func (c *connection) done(r *Request, buf replica.Buf, err error) {
	cmd, op, size := r.command, r.Op, int(r.Size)
	keep := false
	if op == replica.OpRead && err == nil {
		if cmd.stage != nil {
			copy(cmd.stage[r.at:], c.pool.Bytes(buf)[:size])
		} else {
			c.pool.Hold(buf)
			cmd.buf, keep = buf, true
		}
	}
	if !keep && (op == replica.OpRead || op == replica.OpWrite) {
		c.budget.give(size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && cmd.failed == 0 {
		cmd.failed = errnoOf(err)
	}
	c.recycle(r)
	c.finish(cmd)
}

// recycle needs mu.
func (c *connection) recycle(r *Request) {
	*r = Request{next: c.requests}
	c.requests = r
	c.change()
}

// finish takes one pending thing off cmd; the last one sends the reply. It
// needs mu.
func (c *connection) finish(cmd *command) {
	if cmd.pending--; cmd.pending > 0 {
		return
	}
	if c.broken.Load() {
		c.retire(cmd)
		return
	}
	c.replies.push(cmd)
}

// retire gives back all that a finished command has. It needs mu.
func (c *connection) retire(cmd *command) {
	if cmd.buf != 0 {
		c.pool.Release(cmd.buf)
		c.budget.give(int(cmd.length))
	}
	if cmd.stage != nil {
		if err := unix.Munmap(cmd.stage); err != nil {
			panic(fmt.Sprintf("export: munmap of a large read: %v", err))
		}
		c.staging = false
	}
	*cmd = command{conn: c, next: c.commands}
	c.commands = cmd
	c.inFlight--
	c.change()
}

// drain waits until every command is answered, or nobody cares any more.
func (c *connection) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.inFlight > 0 && !c.abandoned {
		c.changed.Wait()
	}
}

// breakOff makes the socket useless; replies that come later are dropped.
func (c *connection) breakOff(why error) {
	c.mu.Lock()
	first := !c.broken.Load()
	if first {
		c.broken.Store(true)
		c.cause = why
		if c.cancel != nil {
			c.cancel()
		}
		for cmd := c.replies.take(); cmd != nil; {
			next := cmd.next
			c.retire(cmd)
			cmd = next
		}
		c.change()
		c.unsent.Signal()
	}
	c.mu.Unlock()
	if first {
		_ = c.socket.Close() // what it could say is known: the client is gone
		c.budget.wake()
	}
}

// abort ends the connection at once, whatever is under way, and returns the
// first reason that there was to end it.
func (c *connection) abort(why error) error {
	c.breakOff(why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandoned = true
	c.change()
	return c.cause
}

func (c *connection) whyBroken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// errnoOf is what a client may know of an error.
func errnoOf(err error) nbd.ReplyError {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return nbd.ENOSPC
	case errors.Is(err, unix.EINVAL):
		return nbd.EINVAL
	default:
		return nbd.EIO
	}
}
