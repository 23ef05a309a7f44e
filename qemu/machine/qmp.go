package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// qmp is QEMU's own control channel. Source: QEMU, docs/interop/qmp-spec.
type qmp struct {
	port    io.ReadWriteCloser
	order   sync.Mutex    // one command at a time
	last    int           // number of the last command
	answers chan answer   // of commands; events are dropped
	ended   chan struct{} // QEMU has closed the channel
}

type answer struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

// newQMP takes QEMU out of the negotiation with which every channel starts.
func newQMP(port io.ReadWriteCloser) (*qmp, error) {
	q := &qmp{port: port, answers: make(chan answer, 16), ended: make(chan struct{})}
	go q.listen()
	ctx, cancel := context.WithTimeout(context.Background(), launch)
	defer cancel()
	return q, q.execute(ctx, "qmp_capabilities")
}

// Close ends the channel.
func (q *qmp) Close() error { return q.port.Close() }

func (q *qmp) listen() {
	defer close(q.ended)
	lines := bufio.NewReader(q.port)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(line, &a) == nil && (a.Return != nil || a.Error != nil) {
			q.answers <- a
		}
	}
}

// execute carries out a command that has no arguments and no result.
func (q *qmp) execute(ctx context.Context, command string) error {
	q.order.Lock()
	defer q.order.Unlock()
	q.last++
	if _, err := fmt.Fprintf(q.port, "{\"execute\": %q, \"id\": %d}\n", command, q.last); err != nil {
		return fmt.Errorf("QMP %s: %w", command, err)
	}
	for {
		select {
		case a := <-q.answers:
			switch {
			case a.ID != q.last: // of a command that nobody waited for
			case a.Error != nil:
				return fmt.Errorf("QMP %s: %s", command, a.Error.Desc)
			default:
				return nil
			}
		case <-q.ended:
			return fmt.Errorf("QMP %s: %w", command, ErrOff)
		case <-ctx.Done():
			return fmt.Errorf("QMP %s: %w", command, context.Cause(ctx))
		}
	}
}

// gone waits until QEMU has ended.
func (q *qmp) gone(ctx context.Context) error {
	select {
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
