package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// outlives is how long after a program's end its output is still read, when a
// process that it left behind holds it open.
const outlives = 300 * time.Millisecond

// Server carries out orders in a machine.
type Server struct {
	// PowerOff ends the machine.
	PowerOff func() error

	port    io.ReadWriter
	writing sync.Mutex
	mu      sync.Mutex
	running map[uint64]int // process group by order
}

// Serve says that the machine is ready, and carries out orders until the port
// fails.
func (s *Server) Serve(port io.ReadWriter) error {
	s.port, s.running = port, map[uint64]int{}
	if err := s.answer(Answer{}); err != nil {
		return err
	}
	for {
		var o Order
		if err := receive(port, &o); err != nil {
			return fmt.Errorf("orders: %w", err)
		}
		switch o.Op {
		case OpRun:
			go s.run(o)
		case OpGet:
			go func() { s.finish(o, s.get(o)) }()
		case OpPut:
			s.finish(o, put(o))
		case OpSignal:
			s.finish(o, s.signal(o))
		case OpPowerOff:
			s.finish(o, nil)
			return s.PowerOff()
		default:
			s.finish(o, fmt.Errorf("order %q: not known here", o.Op))
		}
	}
}

func (s *Server) answer(a Answer) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return send(s.port, a)
}

// finish ends an order. If the port fails, Serve hears of it too.
func (s *Server) finish(o Order, err error) {
	a := Answer{ID: o.ID, Done: true}
	if err != nil {
		a.Error = err.Error()
	}
	_ = s.answer(a)
}

func (s *Server) run(o Order) {
	if len(o.Argv) == 0 {
		s.finish(o, errors.New("run: no program named"))
		return
	}
	cmd := exec.Command(o.Argv[0], o.Argv[1:]...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdin = bytes.NewReader(o.Input)
	cmd.Stdout = pieces(func(p []byte) Answer { return Answer{ID: o.ID, Stdout: p} }, s)
	cmd.Stderr = pieces(func(p []byte) Answer { return Answer{ID: o.ID, Stderr: p} }, s)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = outlives
	if err := cmd.Start(); err != nil {
		s.finish(o, err)
		return
	}
	s.mu.Lock()
	s.running[o.ID] = cmd.Process.Pid
	s.mu.Unlock()
	err := cmd.Wait()
	s.mu.Lock()
	delete(s.running, o.ID)
	s.mu.Unlock()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		s.finish(o, err)
		return
	}
	status := cmd.ProcessState.ExitCode()
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		status = 128 + int(w.Signal())
	}
	_ = s.answer(Answer{ID: o.ID, Done: true, Status: status})
}

func (s *Server) signal(o Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, ok := s.running[o.Target]
	if !ok {
		return nil // it has ended: its own answer says how
	}
	return syscall.Kill(-group, syscall.Signal(o.Signal))
}

func (s *Server) get(o Order) error {
	f, err := os.Open(o.Path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(pieces(func(p []byte) Answer { return Answer{ID: o.ID, Stdout: p} }, s), f)
	return err
}

// put writes a piece of a file; it takes its name with the last piece.
func put(o Order) error {
	part := o.Path + ".part"
	flags := os.O_WRONLY | os.O_APPEND
	if o.First {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if err := os.MkdirAll(filepath.Dir(o.Path), 0o755); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(part, flags, os.FileMode(o.Mode))
	if err != nil {
		return err
	}
	_, err = f.Write(o.Data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if !o.Last {
		return nil
	}
	return os.Rename(part, o.Path)
}

// pieces is a writer that answers with what is written, in pieces.
func pieces(answer func([]byte) Answer, s *Server) io.Writer {
	return writer(func(p []byte) (int, error) {
		done := 0
		for done < len(p) {
			n := min(chunk, len(p)-done)
			if err := s.answer(answer(p[done : done+n])); err != nil {
				return done, err
			}
			done += n
		}
		return done, nil
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
