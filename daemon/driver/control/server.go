package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Handlers are the daemon's answers. They are called from many goroutines; a
// context ends when its client goes away.
type Handlers struct {
	// Status gives a value that encoding/json can write.
	Status func(ctx context.Context) (any, error)
	// Order carries an order out, or refuses it.
	Order func(ctx context.Context, o Order) Answer
	// Readers may ask; orders are for root and the daemon's own user.
	Readers Readers
}

// Server listens on a unix socket until Close.
type Server struct {
	path     string
	handlers Handlers
	http     *http.Server
	streams  streams
	// may says what a caller may do.
	may    func(c caller) right
	served chan struct{}
}

// Serve listens on a unix socket at path, with mode 0600 unless there are
// Readers. A socket that a dead daemon left there is replaced; a living one is
// an error.
func Serve(path string, h Handlers) (*Server, error) {
	who := h.Readers.resolve()
	return serve(path, h, who.open, who.of)
}

func serve(path string, h Handlers, open func(path string) error, may func(c caller) right) (*Server, error) {
	listener, err := listen(path, open)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	s := &Server{path: path, handlers: h, may: may, served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/order", s.order)
	mux.HandleFunc("GET /v1/events", s.events)
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.admit(w, r, mux) }),
		ConnContext:       withUser,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    maxHeader,
	}
	go func() {
		defer close(s.served)
		// It ends by Close only, and then says just that.
		_ = s.http.Serve(listener)
	}()
	return s, nil
}

// Publish sends an event to each client that listens for events. It never
// blocks: a client that reads too slowly is cut off.
func (s *Server) Publish(event any) error {
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("publish an event: %w", err)
	}
	s.streams.publish(append(line, '\n'))
	return nil
}

// Close cuts all clients off and removes the socket.
func (s *Server) Close() error {
	s.streams.close()
	err := s.http.Close()
	<-s.served
	return errors.Join(err, os.Remove(s.path))
}

// listen makes the socket under another name first, so that nobody ever meets
// it with other rights.
func listen(path string, open func(path string) error) (net.Listener, error) {
	if err := removable(path); err != nil {
		return nil, err
	}
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	err = open(temporary)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(temporary))
	}
	return listener, nil
}

// removable says whether what is at path may be replaced.
func removable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("there is something else than a socket")
	}
	conn, err := net.Dial("unix", path)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(errors.New("another daemon is running and listens there"), conn.Close())
}

type userKey struct{}

// withUser remembers in a connection's context who made it.
func withUser(ctx context.Context, conn net.Conn) context.Context {
	who, err := callerOf(conn)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, userKey{}, who)
}

// callerOf asks the kernel who is at the other end.
func callerOf(conn net.Conn) (caller, error) {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return caller{}, fmt.Errorf("connection of type %T, want a unix socket", conn)
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return caller{}, err
	}
	var cred *unix.Ucred
	controlled := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(controlled, err); err != nil {
		return caller{}, err
	}
	return caller{cred.Uid, cred.Gid}, nil
}

// admit lets only those in who may. Whoever may do nothing but ask, may do
// nothing but GET.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, next http.Handler) {
	who, known := r.Context().Value(userKey{}).(caller)
	may := nothing
	if known {
		may = s.may(who)
	}
	switch {
	case may == nothing:
		write(w, http.StatusForbidden, Answer{Text: "only root, polluxd's own user, and whom apiauth in ha.cf lets be cl_status " +
			"may ask"})
	case may < orders && r.Method != http.MethodGet:
		write(w, http.StatusForbidden, Answer{Text: "only root and polluxd's own user may give orders"})
	default:
		next.ServeHTTP(w, r)
	}
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	v, err := s.handlers.Status(r.Context())
	if err != nil {
		write(w, http.StatusInternalServerError, Answer{Text: err.Error()})
		return
	}
	write(w, http.StatusOK, v)
}

func (s *Server) order(w http.ResponseWriter, r *http.Request) {
	var o Order
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	body.DisallowUnknownFields()
	if err := body.Decode(&o); err != nil {
		write(w, http.StatusBadRequest, Answer{Text: fmt.Sprintf("this is no order: %v", err)})
		return
	}
	if o.Order == "" {
		write(w, http.StatusBadRequest, Answer{Text: `this is no order: "order" is empty`})
		return
	}
	write(w, http.StatusOK, s.handlers.Order(r.Context(), o))
}

// write answers with v. A client that is gone is no error of anybody's.
func write(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		code = http.StatusInternalServerError
		text = fmt.Appendf(nil, `{"ok":false,"code":0,"text":%q}`, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}
