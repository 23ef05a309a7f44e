// Package nbdclient is a client of package export's Server: what a guest, a
// test or a tool uses to reach a resource without a kernel block device. It
// asks for no more of the NBD protocol than that server has.
//
// Calls from many goroutines are under way together, and answered in whatever
// order the server finishes them.
package nbdclient

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// ErrClosed is the cause of failures after Close.
var ErrClosed = errors.New("the client is closed")

// Client is one connection to one export. It fails for good when the
// connection does: then every call returns the reason.
type Client struct {
	socket net.Conn
	reader *bufio.Reader
	info   exportInfo

	sending sync.Mutex // held while a request is written

	mu      sync.Mutex
	pending map[uint64]*call
	cookie  uint64
	cause   error
	ended   chan struct{}
}

// call is one request that waits for its reply.
type call struct {
	into []byte // of a read
	done chan error
}

// Dial connects to the server at the unix socket and opens the export. The
// empty name is the server's default one.
func Dial(socket, name string) (*Client, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("open export %q: %w", name, err)
	}
	client, err := New(c, name)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return client, nil
}

// New opens the export on a connection that stands. It is the Client's from
// then on if there is no error.
func New(socket net.Conn, name string) (*Client, error) {
	c := &Client{
		socket: socket, reader: bufio.NewReader(socket),
		pending: make(map[uint64]*call), ended: make(chan struct{}),
	}
	if err := c.negotiate(name); err != nil {
		return nil, fmt.Errorf("open export %q: %w", name, err)
	}
	go c.receive()
	return c, nil
}

// Size is that of the export in bytes.
func (c *Client) Size() int64 { return int64(c.info.size) }

// BlockSize is what offsets and lengths must be multiples of, in bytes.
func (c *Client) BlockSize() int { return int(c.info.minimum) }

// ReadAt fills p from byte offset off; it is an io.ReaderAt.
func (c *Client) ReadAt(p []byte, off int64) (int, error) {
	wanted := len(p)
	p = p[:min(int64(wanted), max(0, c.Size()-off))]
	n, err := c.pieces(p, off, func(piece []byte, off int64) error {
		return c.do(nbd.Request{Command: nbd.CommandRead, Offset: uint64(off), Length: uint32(len(piece))}, nil, piece)
	})
	if err == nil && n < wanted {
		err = io.EOF
	}
	return n, err
}

// WriteAt writes p at byte offset off; it is an io.WriterAt. What it wrote may
// be lost until a Flush that started afterwards has returned.
func (c *Client) WriteAt(p []byte, off int64) (int, error) { return c.write(p, off, 0) }

// WriteFUA is WriteAt that returns when p is on stable storage.
func (c *Client) WriteFUA(p []byte, off int64) (int, error) { return c.write(p, off, nbd.FUA) }

// Flush brings all that returned before it to stable storage.
func (c *Client) Flush() error { return c.do(nbd.Request{Command: nbd.CommandFlush}, nil, nil) }

// Trim says that n bytes at off are not needed any more; below 4 GiB.
func (c *Client) Trim(off, n int64) error { return c.clear(nbd.CommandTrim, 0, off, n) }

// Zero makes n bytes at off read as zeros and keeps their space; below 4 GiB.
func (c *Client) Zero(off, n int64) error { return c.clear(nbd.CommandWriteZeroes, nbd.NoHole, off, n) }

// Close takes leave of the server. Calls under way fail.
func (c *Client) Close() error {
	c.fail(ErrClosed) // first, or the server's hanging up would be the cause
	c.sending.Lock()
	// The answer to a good-bye is the end of the connection, whatever comes of it.
	_, _ = c.socket.Write(nbd.Request{Command: nbd.CommandDisconnect}.Append(nil))
	c.sending.Unlock()
	err := c.socket.Close()
	<-c.ended
	return err
}

func (c *Client) write(p []byte, off int64, flags nbd.CommandFlags) (int, error) {
	return c.pieces(p, off, func(piece []byte, off int64) error {
		return c.do(nbd.Request{
			Command: nbd.CommandWrite, Flags: flags, Offset: uint64(off), Length: uint32(len(piece)),
		}, piece, nil)
	})
}

func (c *Client) clear(command nbd.Command, flags nbd.CommandFlags, off, n int64) error {
	if off < 0 || n < 0 || n >= 1<<32 {
		return fmt.Errorf("range of %d bytes at byte %d, want 0 to 4 GiB", n, off)
	}
	if n == 0 {
		return nil
	}
	return c.do(nbd.Request{Command: command, Flags: flags, Offset: uint64(off), Length: uint32(n)}, nil, nil)
}

// pieces does p in pieces that the server takes, and says how much went well.
func (c *Client) pieces(p []byte, off int64, do func(piece []byte, off int64) error) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("byte offset %d, want 0 or more", off)
	}
	done := 0
	for done < len(p) {
		n := min(len(p)-done, int(c.info.maximum))
		if err := do(p[done:done+n], off+int64(done)); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// do sends one request and waits for its reply.
func (c *Client) do(r nbd.Request, payload, into []byte) error {
	waiting := &call{into: into, done: make(chan error, 1)}
	c.mu.Lock()
	err := c.cause
	if err == nil {
		c.cookie++
		r.Cookie = c.cookie
		c.pending[r.Cookie] = waiting
	}
	c.mu.Unlock()
	if err == nil {
		if err := c.send(r, payload); err != nil {
			c.fail(err)
		}
		err = <-waiting.done
	}
	if err != nil {
		return fmt.Errorf("%s of %d bytes at byte %d: %w", commandName(r.Command), r.Length, r.Offset, err)
	}
	return nil
}

func (c *Client) send(r nbd.Request, payload []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	parts := net.Buffers{r.Append(make([]byte, 0, nbd.RequestSize)), payload}
	if len(payload) == 0 {
		parts = parts[:1]
	}
	_, err := parts.WriteTo(c.socket)
	return err
}

// receive hands out replies until the connection ends.
func (c *Client) receive() {
	defer close(c.ended)
	for {
		if err := c.receiveOne(); err != nil {
			c.fail(err)
			return
		}
	}
}

// receiveOne takes one reply. A call is answered after its data came, so that
// nobody uses a buffer that is half full.
func (c *Client) receiveOne() error {
	var head [nbd.ReplySize]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return fmt.Errorf("read of a reply: %w", err)
	}
	reply, err := nbd.DecodeReply(&head)
	if err != nil {
		return err
	}
	c.mu.Lock()
	waiting := c.pending[reply.Cookie]
	delete(c.pending, reply.Cookie)
	c.mu.Unlock()
	if waiting == nil {
		return fmt.Errorf("reply with cookie %d, which nobody waits for", reply.Cookie)
	}
	if reply.Error != 0 {
		waiting.into = nil // no data follow
	}
	_, err = io.ReadFull(c.reader, waiting.into)
	switch {
	case err != nil:
		err = fmt.Errorf("read of a reply: %w", err)
		waiting.done <- err
	case reply.Error != 0:
		waiting.done <- reply.Error
	default:
		waiting.done <- nil
	}
	return err
}

// fail ends everything that is under way, and all that comes, with the first
// cause.
func (c *Client) fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	for _, waiting := range c.pending {
		waiting.done <- cause
	}
	clear(c.pending)
}

func commandName(command nbd.Command) string {
	switch command {
	case nbd.CommandRead:
		return "read"
	case nbd.CommandWrite:
		return "write"
	case nbd.CommandFlush:
		return "flush"
	case nbd.CommandTrim:
		return "trim"
	case nbd.CommandWriteZeroes:
		return "zero"
	default:
		return fmt.Sprintf("command %d", command)
	}
}
