package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
)

// ErrGone says that the machine is there no more: it was switched off, or died.
var ErrGone = errors.New("the machine is gone")

// Client gives orders to one machine. All methods may be called at once.
type Client struct {
	port    io.ReadWriteCloser
	ready   chan struct{}
	writing sync.Mutex

	mu    sync.Mutex
	last  uint64
	open  map[uint64]*Process
	fault error // why the machine is gone, or never came
	once  sync.Once
}

// NewClient takes orders for the machine at the other end of port.
func NewClient(port io.ReadWriteCloser) *Client {
	// A machine that goes on from a snapshot still answers orders of another
	// client: numbers are not used twice.
	first := rand.Uint64() >> 1
	c := &Client{port: port, ready: make(chan struct{}), open: map[uint64]*Process{}, last: first}
	go c.listen()
	return c
}

// Close forgets the machine; orders that are under way end with ErrGone.
func (c *Client) Close() error { return c.port.Close() }

// Ready waits until the machine takes orders.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.ready:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.fault
	case <-ctx.Done():
		return fmt.Errorf("machine ready for orders: %w", context.Cause(ctx))
	}
}

func (c *Client) listen() {
	for {
		var a Answer
		if err := receive(c.port, &a); err != nil {
			c.end(fmt.Errorf("%w: %w", ErrGone, err))
			return
		}
		if a.ID == 0 {
			if a.Error != "" {
				c.end(fmt.Errorf("machine did not start: %s", a.Error))
				return
			}
			c.once.Do(func() { close(c.ready) })
			continue
		}
		c.mu.Lock()
		p := c.open[a.ID]
		if a.Done {
			delete(c.open, a.ID)
		}
		c.mu.Unlock()
		if p != nil {
			p.hear(a)
		}
	}
}

// end fails all that is under way.
func (c *Client) end(fault error) {
	c.mu.Lock()
	c.fault = fault
	open := c.open
	c.open = map[uint64]*Process{}
	c.mu.Unlock()
	c.once.Do(func() { close(c.ready) })
	for _, p := range open {
		p.fail(fault)
	}
}

// Process is an order under way: most often a program that runs there.
type Process struct {
	client *Client
	id     uint64

	mu             sync.Mutex
	news           chan struct{} // closed and made anew with each answer
	stdout, stderr bytes.Buffer
	ended          bool
	status         int
	fault          error
}

// give sends an order and says where its answers come.
func (c *Client) give(o Order) (*Process, error) {
	p := &Process{client: c, news: make(chan struct{})}
	c.mu.Lock()
	if c.fault != nil {
		defer c.mu.Unlock()
		return nil, c.fault
	}
	c.last++
	o.ID, p.id = c.last, c.last
	c.open[o.ID] = p
	c.mu.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := send(c.port, o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	return p, nil
}

func (p *Process) hear(a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stdout.Write(a.Stdout)
	p.stderr.Write(a.Stderr)
	if a.Done {
		p.ended, p.status = true, a.Status
		if a.Error != "" {
			p.fault = errors.New(a.Error)
		}
	}
	close(p.news)
	p.news = make(chan struct{})
}

func (p *Process) fail(fault error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.fault = true, fault
	close(p.news)
	p.news = make(chan struct{})
}

// Stdout is what the program has printed so far.
func (p *Process) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// Stderr is what the program has complained about so far.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Signal sends a signal to the program and all that it started.
func (p *Process) Signal(ctx context.Context, s syscall.Signal) error {
	o, err := p.client.give(Order{Op: OpSignal, Target: p.id, Signal: int(s)})
	if err != nil {
		return err
	}
	_, err = o.Wait(ctx)
	return err
}

// Wait waits for the end. The error says that the order could not be carried
// out; a program's own failure is its status.
func (p *Process) Wait(ctx context.Context) (status int, err error) {
	for {
		p.mu.Lock()
		news, ended := p.news, p.ended
		status, err = p.status, p.fault
		p.mu.Unlock()
		if ended {
			return status, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// End ends a program in order, by SIGTERM, and fails if it does not end well.
func (p *Process) End(ctx context.Context) error {
	if err := p.Signal(ctx, syscall.SIGTERM); err != nil {
		return err
	}
	status, err := p.Wait(ctx)
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d: %s", status, p.Stderr())
	}
	return err
}

// Start runs a program and does not wait for it.
func (c *Client) Start(argv ...string) (*Process, error) {
	p, err := c.give(Order{Op: OpRun, Argv: argv})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return p, nil
}

// Result is how a program ended.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs a program to its end. If ctx ends first, it is killed.
func (c *Client) Run(ctx context.Context, argv ...string) (Result, error) {
	p, err := c.Start(argv...)
	if err != nil {
		return Result{}, err
	}
	status, err := p.Wait(ctx)
	if ctx.Err() != nil {
		_, _ = c.give(Order{Op: OpSignal, Target: p.id, Signal: int(syscall.SIGKILL)})
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w: it had printed %q and %q", strings.Join(argv, " "), err, p.Stdout(), p.Stderr())
	}
	return Result{Status: status, Stdout: p.Stdout(), Stderr: p.Stderr()}, nil
}

// Output runs a program that must succeed, and is what it printed.
func (c *Client) Output(ctx context.Context, argv ...string) (string, error) {
	r, err := c.Run(ctx, argv...)
	if err != nil {
		return "", err
	}
	if r.Status != 0 {
		return "", fmt.Errorf("%s: exit status %d: %s%s", strings.Join(argv, " "), r.Status, r.Stderr, r.Stdout)
	}
	return r.Stdout, nil
}

// Shell runs a script with bash; it must succeed.
func (c *Client) Shell(ctx context.Context, script string) (string, error) {
	return c.Output(ctx, "/bin/bash", "-c", script)
}

// Put writes a file, whole or not at all, with the folders above it.
func (c *Client) Put(ctx context.Context, name string, content []byte, mode os.FileMode) error {
	for first, rest := true, content; first || len(rest) > 0; first = false {
		n := min(chunk, len(rest))
		p, err := c.give(Order{
			Op: OpPut, Path: name, Mode: uint32(mode.Perm()), Data: rest[:n], First: first, Last: n == len(rest),
		})
		if err == nil {
			_, err = p.Wait(ctx)
		}
		if err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
		rest = rest[n:]
	}
	return nil
}

// Get reads a file.
func (c *Client) Get(ctx context.Context, name string) ([]byte, error) {
	p, err := c.give(Order{Op: OpGet, Path: name})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return []byte(p.Stdout()), nil
}

// PowerOff asks the machine to end in an orderly way; it answers just before.
func (c *Client) PowerOff(ctx context.Context) error {
	p, err := c.give(Order{Op: OpPowerOff})
	if err == nil {
		_, err = p.Wait(ctx)
	}
	if err != nil && !errors.Is(err, ErrGone) {
		return fmt.Errorf("power off: %w", err)
	}
	return nil
}

// Refuse tells the test that a machine will never be ready.
func Refuse(port io.Writer, why error) error { return send(port, Answer{Error: why.Error()}) }
