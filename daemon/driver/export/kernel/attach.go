package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

const (
	// takeWait is how long the driver may take to notice that the daemon before
	// this one is dead; it is a matter of milliseconds.
	takeWait = 2 * time.Second
	takeEach = 50 * time.Millisecond
)

// socket is this end of a pair.
type socket = net.UnixConn

// attach connects a socket with the device, the one that waits or a new one, and
// serves it. That comes first: what is set afterwards waits in the kernel for
// requests that may be there already.
func (d *Device) attach(spec export.Spec) (*wire, error) {
	index, socket, fresh, err := d.connect(d.setup(spec))
	if err != nil {
		return nil, err
	}
	config := export.Config{
		Pool: d.config.Pool, Handler: d.config.Handler, Paused: d.config.Paused, Budget: d.config.Budget,
	}
	w := &wire{socket: socket, stream: export.NewStream(config, spec, socket), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.cause = w.stream.Serve()
	}()
	if err := d.name(index); err != nil {
		if fresh {
			err = errors.Join(err, d.remove(index))
		}
		w.stream.Abort()
		<-w.ended
		return nil, err
	}
	d.mu.Lock()
	d.index = index
	d.mu.Unlock()
	d.config.Log.Info("the device is there", "device", d.config.Path, "node", node(index), "new", fresh)
	return w, nil
}

// name sets the device up, and gives it its names.
func (d *Device) name(index int) error {
	if err := d.host.tune(index); err != nil {
		d.config.Log.Warn("the device is not set up for best speed and recovery", "device", node(index), "cause", err)
	}
	for _, path := range d.links() {
		if err := d.host.link(path, index); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) setup(spec export.Spec) setup {
	flags := nbd.HasFlags | nbd.SendFlush | nbd.SendFUA | nbd.SendWriteZeroes
	if !spec.NoTrim {
		flags |= nbd.SendTrim
	}
	return setup{
		index: d.config.Index, size: spec.Sectors * 512, block: spec.LogicalBlock, flags: flags, socket: -1,
		deadTime: d.config.DeadTime, identifier: d.identifier(),
	}
}

// connect says in fresh whether the device is a new one.
func (d *Device) connect(s setup) (index int, end *socket, fresh bool, err error) {
	defer d.dropInherited()
	for _, index := range d.host.find(s.identifier) {
		if d.inherited != nil {
			end, err := connOf(d.inherited)
			return index, end, false, err
		}
		again := s
		again.index = index
		end, err := d.reconnect(again)
		if !errors.Is(err, unix.EINVAL) {
			return index, end, false, err
		}
		d.config.Log.Error("the device was disconnected while it was in use: those users are lost",
			"device", node(index), "users", d.host.processes(index, true))
	}
	end, theirs, err := pair()
	if err != nil {
		return 0, nil, false, err
	}
	defer func() { _ = theirs.Close() }() // the driver has it now, or nobody
	s.socket = int(theirs.Fd())
	index, err = d.driver.connect(s)
	if errors.Is(err, unix.EBUSY) {
		s.index = anyIndex
		index, err = d.driver.connect(s)
	}
	if err != nil {
		return 0, nil, false, errors.Join(err, end.Close())
	}
	return index, end, true, nil
}

// reconnect gives the device that waits a new socket.
func (d *Device) reconnect(s setup) (*socket, error) {
	for begin := time.Now(); ; time.Sleep(takeEach) {
		end, theirs, err := pair()
		if err != nil {
			return nil, err
		}
		s.socket = int(theirs.Fd())
		err = errors.Join(d.driver.reconfigure(s), theirs.Close())
		if err != nil {
			return nil, errors.Join(err, end.Close())
		}
		// The driver does not say whether it took the socket. If not, nobody has
		// that end any more.
		alone, err := isAlone(end)
		if err == nil && !alone {
			return end, nil
		}
		if time.Since(begin) > takeWait {
			err = errors.Join(err, fmt.Errorf("%s is served by another process", node(s.index)))
		}
		if err = errors.Join(err, end.Close()); err != nil {
			return nil, err
		}
	}
}

// pair makes a connection: this end, and the driver's.
func pair() (*socket, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "the driver's end")
	end, err := connOf(os.NewFile(uintptr(fds[0]), "this end"))
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return end, theirs, nil
}

// connOf makes a connection of a file, which it closes.
func connOf(f *os.File) (*socket, error) {
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	end, ok := c.(*socket)
	if !ok {
		return nil, errors.Join(errors.New("it is no unix socket"), c.Close())
	}
	return end, nil
}

// isAlone tells whether nobody is at the other end.
func isAlone(end *socket) (bool, error) {
	raw, err := end.SyscallConn()
	if err != nil {
		return false, err
	}
	poll := []unix.PollFd{{Events: unix.POLLRDHUP}}
	var pollErr error
	err = raw.Control(func(fd uintptr) {
		poll[0].Fd = int32(fd)
		pollErr = unix.EINTR // signals of the runtime come at any time
		for errors.Is(pollErr, unix.EINTR) {
			_, pollErr = unix.Poll(poll, 0)
		}
	})
	return poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0, errors.Join(err, pollErr)
}
