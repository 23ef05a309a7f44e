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
	answers chan answer   // of commands
	ended   chan struct{} // QEMU has closed the channel
	events  []string      // their names and data; complete once it has ended
}

type answer struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	// An event has these, and no ID.
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// newQMP takes QEMU out of the negotiation with which every channel starts.
func newQMP(port io.ReadWriteCloser) (*qmp, error) {
	q := &qmp{port: port, answers: make(chan answer, 16), ended: make(chan struct{})}
	go q.listen()
	ctx, cancel := context.WithTimeout(context.Background(), launch)
	defer cancel()
	_, err := q.execute(ctx, "qmp_capabilities", nil)
	return q, err
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
		switch {
		case json.Unmarshal(line, &a) != nil:
		case a.Return != nil || a.Error != nil:
			q.answers <- a
		case a.Event != "":
			q.events = append(q.events, a.Event+" "+string(a.Data))
		}
	}
}

// execute carries out a command; arguments may be nil.
func (q *qmp) execute(ctx context.Context, command string, arguments map[string]any) (json.RawMessage, error) {
	q.order.Lock()
	defer q.order.Unlock()
	q.last++
	order := map[string]any{"execute": command, "id": q.last}
	if arguments != nil {
		order["arguments"] = arguments
	}
	text, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("QMP %s: %w", command, err)
	}
	if _, err := q.port.Write(append(text, '\n')); err != nil {
		return nil, fmt.Errorf("QMP %s: %w", command, err)
	}
	for {
		select {
		case a := <-q.answers:
			switch {
			case a.ID != q.last: // of a command that nobody waited for
			case a.Error != nil:
				return nil, fmt.Errorf("QMP %s: %s", command, a.Error.Desc)
			default:
				return a.Return, nil
			}
		case <-q.ended:
			return nil, fmt.Errorf("QMP %s: %w", command, ErrOff)
		case <-ctx.Done():
			return nil, fmt.Errorf("QMP %s: %w", command, context.Cause(ctx))
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
