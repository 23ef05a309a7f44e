package export

import (
	"fmt"
	"net"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/gather"
)

// replyQueue has the commands to reply to, oldest first.
type replyQueue struct{ head, tail *command }

func (q *replyQueue) push(cmd *command) {
	cmd.next = nil
	if q.head == nil {
		q.head = cmd
	} else {
		q.tail.next = cmd
	}
	q.tail = cmd
}

// take empties the queue.
func (q *replyQueue) take() *command {
	head := q.head
	q.head = nil
	return head
}

// sender writes replies. Who finds nobody writing writes all that is ready; what
// became ready meanwhile goes out with the next system call. Its fields belong
// to the one who writes, except where they are changed with the connection's mu.
type sender struct {
	busy bool // somebody writes; with mu
	left bool // that is writeReplies, who has to finish what Flush began; with mu

	heads [maxInFlight][nbd.ReplySize]byte
	parts [2 * maxInFlight][]byte
	out   net.Buffers
	first *command // that are being replied to
	now   *gather.Writer
}

// Flush is Outbox.Flush.
func (c *connection) Flush() {
	if c.sender.now == nil {
		c.unsent.Signal()
		return
	}
	c.mu.Lock()
	mine := c.beginReplies()
	c.mu.Unlock()
	for mine {
		c.sender.out = c.sender.now.Write(c.sender.out)
		if len(c.sender.out) > 0 {
			c.leaveReplies()
			return
		}
		mine = c.endReplies()
	}
}

// beginReplies makes the caller the one who writes all that is ready. It needs
// mu.
func (c *connection) beginReplies() bool {
	s := &c.sender
	if s.busy || c.replies.head == nil || c.broken.Load() {
		return false
	}
	s.busy = true
	s.first, s.out = c.replies.take(), s.parts[:0]
	n := 0
	for cmd := s.first; cmd != nil; cmd = cmd.next {
		reply := nbd.Reply{Error: cmd.failed, Cookie: cmd.cookie}
		s.out = append(s.out, reply.Append(s.heads[n][:0]))
		n++
		if payload := c.payload(cmd); payload != nil {
			s.out = append(s.out, payload)
		}
	}
	return true
}

// leaveReplies leaves what the socket did not take to writeReplies.
func (c *connection) leaveReplies() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sender.left = true
	c.unsent.Signal()
}

// endReplies retires what was replied to, and begins with what became ready.
func (c *connection) endReplies() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cmd := c.sender.first; cmd != nil; {
		next := cmd.next
		c.retire(cmd)
		cmd = next
	}
	c.sender.busy, c.sender.first = false, nil
	if c.broken.Load() {
		c.unsent.Signal()
	}
	return c.beginReplies()
}

// writeReplies sends what Flush could not, until the connection is broken and
// nobody writes.
func (c *connection) writeReplies() {
	for c.nextReplies() {
		for mine := true; mine; {
			_, err := c.sender.out.WriteTo(c.socket)
			if err != nil {
				c.breakOff(fmt.Errorf("write of a reply: %w", err))
			}
			mine = c.endReplies()
		}
	}
}

// nextReplies waits for something to write; false when broken.
func (c *connection) nextReplies() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.sender.left:
			c.sender.left = false
			return true
		case c.sender.now == nil && c.beginReplies():
			return true
		case c.broken.Load() && !c.sender.busy:
			return false
		}
		c.unsent.Wait()
	}
}

// payload is what follows the header of a reply.
func (c *connection) payload(cmd *command) []byte {
	switch {
	case cmd.nbd != nbd.CommandRead || cmd.failed != 0:
		return nil
	case cmd.stage != nil:
		return cmd.stage
	default:
		return c.pool.Bytes(cmd.buf)[:cmd.length]
	}
}
