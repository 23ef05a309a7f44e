package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/optionc/pollux/daemon/driver/export"
)

// run sees to it that the kernel's requests are answered until the device is
// not exposed any more. A connection that breaks before is made anew: the driver drops one when
// somebody else disconnects the device, and when it does not understand a
// reply.
func (u *user) run(w *wire) {
	defer close(u.ended)
	for w != nil {
		<-w.ended
		u.mu.Lock()
		u.wire = nil
		u.mu.Unlock()
		select {
		case <-u.quit:
			return
		default:
		}
		u.device.config.Log.Error("the connection with the kernel broke: it is made anew",
			"device", u.device.config.Path, "cause", w.cause)
		w = u.mend()
	}
}

// mend attaches the device again; nil if it is not exposed any more.
func (u *user) mend() *wire {
	for {
		select {
		case <-u.quit:
			return nil
		case <-time.After(mendEach):
		}
		// Who holds it may be waiting for run to end.
		if !u.device.doing.TryLock() {
			continue
		}
		w, err := u.attach()
		u.device.doing.Unlock()
		if err == nil {
			return w
		}
		u.device.config.Log.Error("the device is still not there", "device", u.device.config.Path, "cause", err)
	}
}

var errQuit = errors.New("the device is not exposed any more")

// attach needs the device's doing.
func (u *user) attach() (*wire, error) {
	if u.device.exposed() != u {
		return nil, errQuit
	}
	w, err := u.device.attach(u.spec)
	if err == nil {
		u.mu.Lock()
		u.wire = w
		u.mu.Unlock()
	}
	return w, err
}

// end makes run end by how, and waits for it. quit must be closed.
func (u *user) end(how func(*export.Stream)) {
	u.mu.Lock()
	if u.wire != nil {
		how(u.wire.stream)
	}
	u.mu.Unlock()
	<-u.ended
}

// drain makes run end at a request's edge, and returns the socket.
func (u *user) drain(ctx context.Context) (*os.File, error) {
	u.mu.Lock()
	w := u.wire
	u.mu.Unlock()
	if w == nil {
		<-u.ended
		return nil, errors.New("there is no connection with the kernel")
	}
	defer func() { <-u.ended }()
	defer w.stream.Abort()
	file, err := w.socket.File()
	if err != nil {
		return nil, err
	}
	w.stream.Drain()
	select {
	case <-w.ended:
		if errors.Is(w.cause, export.ErrDrained) {
			return file, nil
		}
		err = w.cause
	case <-ctx.Done():
		err = fmt.Errorf("requests under way: %w", context.Cause(ctx))
	}
	return nil, errors.Join(err, file.Close())
}
