package witness

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Member is a node that may ask: its name, and the cluster that it is one of.
type Member struct{ Cluster, Node string }

// ParseMembers reads the nodes that may ask, one a line: CLUSTER NODE PIN.
func ParseMembers(text string) (map[string]Member, error) {
	members := map[string]Member{}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) != 3 || len(fields[2]) != 64:
			return nil, fmt.Errorf("line %d: found %q, want CLUSTER NODE PIN, a pin of 64 digits", i+1, line)
		case members[fields[2]] != (Member{}):
			return nil, fmt.Errorf("line %d: the pin stands in another line: each node has its own key", i+1)
		}
		members[fields[2]] = Member{Cluster: fields[0], Node: fields[1]}
	}
	return members, nil
}

// Server answers the nodes of many pairs.
type Server struct {
	Key     Key
	Members map[string]Member // by pin
	// Ask answers a question; it is called by one connection at a time.
	Ask func(ask witnesswire.Ask) (witnesswire.Answer, bool)
	Log func(text string)

	turn sync.Mutex
}

// idle is how long a node may say nothing before its connection is closed.
const idle = 2 * time.Hour

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	config := s.Key.config(s.isMember)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() { s.serve(ctx, tls.Server(conn, config)) })
	}
}

func (s *Server) isMember(pin string) error {
	if s.Members[pin] == (Member{}) {
		return fmt.Errorf("found a key with pin %s, want one of those in the file of nodes", pin)
	}
	return nil
}

func (s *Server) serve(ctx context.Context, conn *tls.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	shaking, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	from := conn.RemoteAddr()
	if err := conn.HandshakeContext(shaking); err != nil {
		s.Log(fmt.Sprintf("%v: %v", from, err))
		return
	}
	member := s.Members[peerPin(conn.ConnectionState())]
	s.Log(fmt.Sprintf("%v: %s of %s", from, member.Node, member.Cluster))
	for {
		packet, err := readFrame(conn, idle)
		if err == nil {
			err = s.answer(conn, member, packet)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.Log(fmt.Sprintf("%v: %s of %s: %v", from, member.Node, member.Cluster, err))
			}
			return
		}
	}
}

func (s *Server) answer(conn net.Conn, member Member, packet []byte) error {
	ask, err := witnesswire.DecodeAsk(packet)
	if err != nil {
		return err
	}
	if ask.Cluster != member.Cluster || ask.Node != member.Node {
		return fmt.Errorf("found a question of %s of %s, want one of %s of %s", ask.Node, ask.Cluster, member.Node, member.Cluster)
	}
	s.turn.Lock()
	a, ok := s.Ask(ask)
	s.turn.Unlock()
	if !ok {
		return nil
	}
	return writeFrame(conn, a.Append(nil))
}
