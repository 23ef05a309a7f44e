package control

import (
	"net/http"
	"sync"
	"time"
)

// maxBehind is how many events a client may be behind before it is cut off.
const maxBehind = 1024

// writeLimit is how long a client may take to accept one event.
const writeLimit = 10 * time.Second

// streams are the clients that listen for events.
type streams struct {
	mu     sync.Mutex
	closed bool
	// queues are closed when their client is too far behind.
	queues map[chan []byte]struct{}
}

func (s *streams) add() (queue chan []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	if s.queues == nil {
		s.queues = map[chan []byte]struct{}{}
	}
	queue = make(chan []byte, maxBehind)
	s.queues[queue] = struct{}{}
	return queue, true
}

func (s *streams) remove(queue chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queues, queue)
}

func (s *streams) publish(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for queue := range s.queues {
		select {
		case queue <- line:
		default:
			delete(s.queues, queue)
			close(queue)
		}
	}
}

func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for queue := range s.queues {
		delete(s.queues, queue)
		close(queue)
	}
}

// events sends what is published from now on.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	queue, ok := s.streams.add()
	if !ok {
		write(w, http.StatusServiceUnavailable, Answer{Text: "polluxd is ending"})
		return
	}
	defer s.streams.remove(queue)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if out.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case line, ok := <-queue:
			if !ok || send(out, w, line) != nil {
				return
			}
		}
	}
}

func send(out *http.ResponseController, w http.ResponseWriter, line []byte) error {
	if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := w.Write(line); err != nil {
		return err
	}
	return out.Flush()
}
