package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// Client talks to a running daemon.
type Client struct {
	path string
	http *http.Client
}

// Dial makes sure that a daemon listens at path. ErrNotRunning is in the error
// if none does.
func Dial(path string) (*Client, error) {
	c := &Client{path: path}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial}}
	conn, err := dial(context.Background(), "", "")
	if err != nil {
		return nil, c.explain(err)
	}
	return c, conn.Close()
}

// explain says what a failed connection means.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: there is no socket %s", ErrNotRunning, c.path)
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens on %s", ErrNotRunning, c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission to open %s: only root, polluxd's own user, and whom apiauth in ha.cf lets be "+
			"cl_status may (pollux check says more): %w", c.path, os.ErrPermission)
	default:
		return fmt.Errorf("talk to polluxd on %s: %w", c.path, err)
	}
}

// Status asks the daemon what it says of itself, and puts it into v.
func (c *Client) Status(ctx context.Context, v any) error {
	response, err := c.do(ctx, http.MethodGet, "/v1/status", nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := c.refused(response); err != nil {
		return fmt.Errorf("ask for the status: %w", err)
	}
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return fmt.Errorf("read the status that polluxd sent: %w", err)
	}
	return nil
}

// Order gives an order and waits until it is carried out or refused. A refusal
// is an Answer, not an error.
func (c *Client) Order(ctx context.Context, o Order) (Answer, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return Answer{}, fmt.Errorf("order %s: %w", o.Order, err)
	}
	response, err := c.do(ctx, http.MethodPost, "/v1/order", bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := c.refused(response); err != nil {
		return Answer{}, fmt.Errorf("order %s: %w", o.Order, err)
	}
	var a Answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("read the answer to order %s: %w", o.Order, err)
	}
	return a, nil
}

// Events calls f with each event, one after the other, until ctx ends, which
// is no error, or the daemon ends the stream.
func (c *Client) Events(ctx context.Context, f func(event json.RawMessage)) error {
	return c.Follow(ctx, func() error { return nil }, f)
}

// Follow is Events with a moment to ask how things stand: begun is called when
// no event can be missed any more, and before the first is given to f.
func (c *Client) Follow(ctx context.Context, begun func() error, f func(event json.RawMessage)) error {
	response, err := c.do(ctx, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := c.refused(response); err != nil {
		return fmt.Errorf("listen for events: %w", err)
	}
	if err := begun(); err != nil {
		return err
	}
	lines := json.NewDecoder(response.Body)
	for {
		var event json.RawMessage
		err := lines.Decode(&event)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("listen for events: polluxd ended, or was not read fast enough")
		case err != nil:
			return fmt.Errorf("listen for events: %w", err)
		}
		f(event)
	}
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://polluxd"+path, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(err)
	}
	return response, nil
}

// refused is the error that a response other than 200 carries.
func (c *Client) refused(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxOrder))
	if err != nil {
		return err
	}
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil || a.Text == "" {
		return fmt.Errorf("polluxd on %s answers %s", c.path, response.Status)
	}
	return errors.New(a.Text)
}
