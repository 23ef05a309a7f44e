package export

import (
	"fmt"
	"net"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
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

// writeReplies sends replies until the connection is broken. All that became
// ready while it was writing goes out with the next system call.
func (c *connection) writeReplies() {
	var heads [maxInFlight][nbd.ReplySize]byte
	var parts [2 * maxInFlight][]byte
	var out net.Buffers
	for {
		first := c.nextReplies()
		if first == nil {
			return
		}
		out = parts[:0]
		n := 0
		for cmd := first; cmd != nil; cmd = cmd.next {
			reply := nbd.Reply{Error: cmd.failed, Cookie: cmd.cookie}
			out = append(out, reply.Append(heads[n][:0]))
			n++
			if payload := c.payload(cmd); payload != nil {
				out = append(out, payload)
			}
		}
		_, err := out.WriteTo(c.socket)
		c.retireAll(first)
		if err != nil {
			c.breakOff(fmt.Errorf("write of a reply: %w", err))
		}
	}
}

// nextReplies waits for commands to reply to; nil when broken.
func (c *connection) nextReplies() *command {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.replies.head == nil && !c.broken.Load() {
		c.changed.Wait()
	}
	return c.replies.take()
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

func (c *connection) retireAll(first *command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cmd := first; cmd != nil; {
		next := cmd.next
		c.retire(cmd)
		cmd = next
	}
}
