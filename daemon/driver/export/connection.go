package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/gather"
)

const (
	// maxInFlight bounds the commands of one client that are not answered, and
	// the Requests that they were cut into. It is the queue depth of the kernel.
	maxInFlight = 128
	// readAhead holds the headers and small payloads of one read.
	readAhead = 64 << 10
)

var (
	errDisconnected = errors.New("it said good-bye")
	errVanished     = errors.New("it closed the socket without a good-bye")
	errAborted      = errors.New("it ended the handshake")
)

// backend is what the connections of one device share.
type backend struct {
	pool    *buffer.Pool
	handler Handler
	paused  func()
	budget  *budget
}

func newBackend(c Config) *backend {
	if c.Budget == 0 {
		c.Budget = defaultBudget
	}
	if c.Paused == nil {
		c.Paused = func() {}
	}
	return &backend{pool: c.Pool, handler: c.Handler, paused: c.Paused, budget: newBudget(max(c.Budget, MaxRequest))}
}

// connection is one client. One goroutine reads and calls the Handler; whoever
// calls Answer only queues the reply; who then calls Flush writes all that are
// queued, and another goroutine does what he could not without waiting.
//
//	negotiate ---> transmit -----------------------> drain ---> gone
//	    |            |  DISC, EOF, garbage, Drain:     ^          ^
//	    |            |  at a request's edge; or broken-'          |
//	    '------------'------------- Withdraw: abandoned ----------'
type connection struct {
	*backend
	opens  func(*connection) error // makes it a user; nil if there is no handshake
	socket net.Conn
	edge   edge // reads socket for reader
	reader *bufio.Reader
	spec   Spec
	size   atomic.Uint64 // bytes
	peer   string

	// broken: the socket is of no use any more. Changed with mu; read without
	// it by budget, which has a lock of its own.
	broken atomic.Bool

	mu        sync.Mutex
	changed   sync.Cond
	changes   uint64             // so far
	unsent    sync.Cond          // for writeReplies
	cause     error              // the first reason to end
	abandoned bool               // nobody waits for requests under way
	cancel    context.CancelFunc // ends waiting for a buffer
	requests  *Request           // free
	commands  *command           // free
	inFlight  int                // commands
	staging   bool               // a command with a stage is under way
	replies   replyQueue
	sender    sender
}

// command is what the client asked for and gets one reply to.
type command struct {
	conn    *connection
	nbd     nbd.Command
	cookie  uint64
	length  uint32
	pending int // Requests not done, and one while more may follow
	failed  nbd.ReplyError
	buf     replica.Buf // of a read in one piece
	stage   []byte      // of a read in many
	next    *command
}

func newConnection(b *backend, socket net.Conn, spec Spec, peer string) *connection {
	c := &connection{backend: b, socket: socket, spec: spec, peer: peer}
	c.edge.socket, c.edge.paused = socket, b.paused
	c.sender.now = gather.New(socket)
	c.reader = bufio.NewReaderSize(&c.edge, readAhead)
	c.size.Store(spec.Sectors * 512)
	c.changed.L, c.unsent.L = &c.mu, &c.mu
	requests, commands := make([]Request, maxInFlight), make([]command, maxInFlight)
	for i := range maxInFlight {
		requests[i].next, c.requests = c.requests, &requests[i]
		commands[i].conn = c
		commands[i].next, c.commands = c.commands, &commands[i]
	}
	return c
}

// transmit serves requests until the client leaves, and returns why it left
// once all its requests are answered.
func (c *connection) transmit() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	if c.broken.Load() {
		return errWithdrawn
	}
	var writer sync.WaitGroup
	writer.Go(c.writeReplies)
	err := c.readRequests(ctx)
	c.paused()
	c.drain()
	c.breakOff(err)
	writer.Wait()
	return err
}

func (c *connection) readRequests(ctx context.Context) error {
	for {
		c.edge.begin(c.reader.Buffered())
		head, err := c.reader.Peek(nbd.RequestSize)
		if err != nil {
			if errors.Is(err, io.EOF) && len(head) == 0 {
				return errVanished
			}
			if errors.Is(err, ErrDrained) {
				return ErrDrained
			}
			return fmt.Errorf("read of a request: %w", err)
		}
		r, err := nbd.DecodeRequest((*[nbd.RequestSize]byte)(head))
		if err != nil {
			return err
		}
		if _, err := c.reader.Discard(nbd.RequestSize); err != nil {
			return err
		}
		if r.Command == nbd.CommandDisconnect {
			return errDisconnected
		}
		if err := c.start(ctx, r); err != nil {
			return err
		}
	}
}

// start hands one command to the Handler, in pieces, or refuses it. An error
// ends the connection.
func (c *connection) start(ctx context.Context, r nbd.Request) error {
	if r.Command == nbd.CommandWrite && r.Length > nbd.DefaultMaxPayload {
		return fmt.Errorf("write of %d bytes, want at most %d", r.Length, nbd.DefaultMaxPayload)
	}
	cmd, err := c.takeCommand(r)
	if err != nil {
		return err
	}
	if refusal := c.judge(r); refusal != 0 {
		cmd.failed = refusal
		if r.Command == nbd.CommandWrite {
			c.edge.want(int(r.Length) - c.reader.Buffered())
			_, err = c.reader.Discard(int(r.Length))
		}
	} else {
		err = c.issue(ctx, cmd, r)
	}
	c.mu.Lock()
	if err != nil {
		cmd.failed = nbd.EIO // what was done of it is not all of it
	}
	c.finish(cmd)
	ready := c.replies.head != nil
	c.mu.Unlock()
	if ready {
		c.Flush()
	}
	return err
}

// judge says with which error a request is refused, zero if it is fine.
// Source: NBD protocol, sections "Request types" and "Error values".
func (c *connection) judge(r nbd.Request) nbd.ReplyError {
	allowed := nbd.FUA
	switch r.Command {
	case nbd.CommandFlush:
		if r.Flags&^nbd.FUA != 0 || r.Offset != 0 || r.Length != 0 {
			return nbd.EINVAL
		}
		return 0
	case nbd.CommandRead:
		if r.Length > nbd.DefaultMaxPayload {
			return nbd.EINVAL
		}
	case nbd.CommandWrite:
	case nbd.CommandTrim:
		if c.spec.NoTrim {
			return nbd.EINVAL
		}
	case nbd.CommandWriteZeroes:
		allowed |= nbd.NoHole
	default:
		return nbd.EINVAL
	}
	unit := uint64(c.spec.LogicalBlock)
	if r.Flags&^allowed != 0 || r.Length == 0 || r.Offset%unit != 0 || uint64(r.Length)%unit != 0 {
		return nbd.EINVAL
	}
	if size := c.size.Load(); r.Offset > size || uint64(r.Length) > size-r.Offset {
		if r.Command == nbd.CommandWrite || r.Command == nbd.CommandWriteZeroes {
			return nbd.ENOSPC
		}
		return nbd.EINVAL
	}
	return 0
}

// issue cuts a good command into Requests. An error ends the connection; the
// Requests that were made before go on.
func (c *connection) issue(ctx context.Context, cmd *command, r nbd.Request) error {
	if r.Command == nbd.CommandRead && r.Length > MaxRequest {
		if err := c.setStage(cmd); err != nil {
			return err
		}
	}
	for at := uint32(0); ; {
		size := min(r.Length-at, MaxRequest)
		request, err := c.takeRequest(cmd)
		if err != nil {
			return err
		}
		request.Op, request.FUA = c.operation(r), r.Flags&nbd.FUA != 0
		request.Sector, request.Size, request.at = (r.Offset+uint64(at))/512, size, at
		if err := c.takePayload(ctx, request); err != nil {
			c.dropRequest(request)
			return err
		}
		c.handler(request)
		if at += size; at == r.Length {
			return nil
		}
	}
}

func (c *connection) operation(r nbd.Request) replica.Op {
	switch r.Command {
	case nbd.CommandRead:
		return replica.OpRead
	case nbd.CommandWrite:
		return replica.OpWrite
	case nbd.CommandTrim:
		return replica.OpTrim
	case nbd.CommandWriteZeroes:
		if r.Flags&nbd.NoHole == 0 && !c.spec.NoTrim {
			return replica.OpTrim // which reads as zeros too, and may free space
		}
		return replica.OpZero
	case nbd.CommandFlush:
		return replica.OpFlush
	default:
		panic(fmt.Sprintf("export: command %d passed judge but has no operation", r.Command))
	}
}

// takePayload waits for memory and reads what a write brings.
func (c *connection) takePayload(ctx context.Context, r *Request) error {
	if r.Op != replica.OpRead && r.Op != replica.OpWrite {
		return nil
	}
	if !c.budget.tryTake(int(r.Size)) {
		c.paused()
		if !c.budget.take(int(r.Size), &c.broken) {
			return c.whyBroken()
		}
	}
	if r.Op == replica.OpRead {
		return nil
	}
	buf, err := c.pool.TryGet(int(r.Size)), error(nil)
	if buf == 0 {
		c.paused()
		buf, err = c.pool.GetContext(ctx, int(r.Size))
	}
	if err == nil {
		r.Buf = buf
		c.edge.want(int(r.Size) - c.reader.Buffered())
		if _, err = io.ReadFull(c.reader, c.pool.Bytes(buf)); err == nil {
			return nil
		}
		c.pool.Release(buf)
		err = fmt.Errorf("read of a payload: %w", err)
	}
	c.budget.give(int(r.Size))
	return err
}
