package witness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/optionc/pollux/daemon/driver/newest"
)

// Client is a node's connection to its witness: one at a time, made anew when
// it breaks. A question that finds no connection is lost; the core asks again.
type Client struct {
	Address string
	Pin     string // of the witness
	Key     Key
	// Answered takes an answer. Reached hears that the witness was reached, or why
	// not.
	Answered func(packet []byte)
	Reached  func(why error)

	questions newest.Queue[[]byte]
}

const (
	connectWithin = 10 * time.Second
	again         = time.Second // after a connection that failed
	// silent is how long a witness that was asked may say nothing: the core asks
	// several times in a lease, so that it is far longer than an answer takes.
	silent = 30 * time.Second
)

// NewClient makes one; Run runs it.
func NewClient(c Client) *Client {
	c.questions = newest.New[[]byte]()
	return &c
}

// Ask sends a question, if there is a connection. A newer one replaces one that
// waits.
func (c *Client) Ask(packet []byte) { c.questions.Put(packet) }

// Run keeps the connection until ctx ends.
func (c *Client) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.connected(ctx)
		if ctx.Err() != nil {
			return
		}
		c.Reached(err)
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// connected is one connection, from its beginning to its end.
func (c *Client) connected(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: c.Key.config(c.isWitness)}
	conn, err := dialer.DialContext(dialing, "tcp", c.Address)
	if err != nil {
		return fmt.Errorf("witness %s: %w", c.Address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	c.Reached(nil)
	ended := make(chan error, 1)
	go func() { ended <- c.read(conn) }()
	for {
		select {
		case packet := <-c.questions:
			if err := writeFrame(conn, packet); err != nil {
				return fmt.Errorf("witness %s: %w", c.Address, err)
			}
		case err := <-ended:
			return fmt.Errorf("witness %s: %w", c.Address, c.explain(err))
		}
	}
}

func (c *Client) isWitness(pin string) error {
	if pin != c.Pin {
		return fmt.Errorf("found a key with pin %s, want %s: 'pollux-witness pin' prints there what belongs into ha.cf",
			pin, c.Pin)
	}
	return nil
}

// explain says what it means that the witness ends the handshake: with TLS 1.3 a
// client hears of that later.
func (c *Client) explain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("it does not know this node's key: want a line 'CLUSTER NODE %s' in its file of nodes: %w",
			c.Key.Pin, err)
	}
	return err
}

func (c *Client) read(conn net.Conn) error {
	for {
		packet, err := readFrame(conn, silent)
		if err != nil {
			return err
		}
		c.Answered(packet)
	}
}
