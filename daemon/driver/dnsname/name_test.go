package dnsname_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/dnsname"
)

const (
	zone   = "example.org."
	secret = "c2VjcmV0IG9mIGJvdGggbm9kZXM="
)

// A server keeps the records of one zone, and takes updates that are signed.
type server struct {
	mu      sync.Mutex
	records []string // as text, TTL included
	dns     *dns.Server
	address string
}

func serve(t *testing.T) *server {
	t.Helper()
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	s := &server{address: listener.Addr().String()}
	ready := make(chan struct{})
	s.dns = &dns.Server{
		Listener: listener, TsigSecret: map[string]string{"nodes.": secret}, Handler: s,
		// Of messages, updates are refused without this.
		MsgAcceptFunc:     func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept },
		NotifyStartedFunc: func() { close(ready) },
	}
	ended := make(chan error, 1)
	go func() { ended <- s.dns.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		_ = s.dns.Shutdown()
		g.Expect(<-ended).To(Succeed())
	})
	return s
}

func (s *server) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := new(dns.Msg)
	answer.SetReply(m)
	if m.Opcode == dns.OpcodeUpdate {
		if signed := m.IsTsig(); signed == nil || w.TsigStatus() != nil || m.Question[0].Name != zone {
			answer.Rcode = dns.RcodeRefused
		} else {
			s.update(m.Ns)
			answer.SetTsig(signed.Hdr.Name, signed.Algorithm, signed.Fudge, int64(signed.TimeSigned))
		}
	} else {
		for _, text := range s.records {
			if rr, _ := dns.NewRR(text); rr.Header().Name == m.Question[0].Name && rr.Header().Rrtype == m.Question[0].Qtype {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		if len(answer.Answer) == 0 {
			answer.Rcode = dns.RcodeNameError
		}
	}
	_ = w.WriteMsg(answer)
}

// update does what RFC 2136, section 3.4.2 says of the three kinds.
func (s *server) update(changes []dns.RR) {
	for _, c := range changes {
		h := c.Header()
		s.records = slices.DeleteFunc(s.records, func(text string) bool {
			rr, _ := dns.NewRR(text)
			same := rr.Header().Name == h.Name && rr.Header().Rrtype == h.Rrtype
			if h.Class == dns.ClassANY {
				return same
			}
			other := dns.Copy(c)
			other.Header().Class, other.Header().Ttl = dns.ClassINET, rr.Header().Ttl
			return same && h.Class == dns.ClassNONE && dns.IsDuplicate(rr, other)
		})
		if h.Class == dns.ClassINET {
			s.records = append(s.records, c.String())
		}
	}
}

func (s *server) has() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

func newName(t *testing.T, node, server, secret string) *dnsname.Name {
	t.Helper()
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "dns.key")
	text := "key \"nodes\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secret + "\";\n};\n"
	g.Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	n, err := dnsname.Parse(node, []string{
		"www.example.org", "milo1=192.0.2.1", "milo2=2001:db8::2", "server=" + server, "key=" + file, "ttl=30",
	})
	g.Expect(err).NotTo(HaveOccurred())
	return n
}

func TestANameMovesWithItsGroup(t *testing.T) {
	g := NewWithT(t)
	s := serve(t)
	milo1, milo2 := newName(t, "milo1", s.address, secret), newName(t, "milo2", s.address, secret)
	status := func(n *dnsname.Name) failover.State {
		state, _, err := n.Status(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		return state
	}
	g.Expect(status(milo1)).To(Equal(failover.Stopped))
	g.Expect(milo1.Start(t.Context())).To(Succeed())
	g.Expect(s.has()).To(Equal([]string{"www.example.org.\t30\tIN\tA\t192.0.2.1"}))
	g.Expect(status(milo1)).To(Equal(failover.Running))
	g.Expect(status(milo2)).To(Equal(failover.Stopped))

	g.Expect(milo2.Start(t.Context())).To(Succeed(), "milo1 died and has not stopped it")
	g.Expect(s.has()).To(Equal([]string{"www.example.org.\t30\tIN\tAAAA\t2001:db8::2"}))
	g.Expect(status(milo1)).To(Equal(failover.Stopped))

	g.Expect(milo1.Stop(t.Context())).To(Succeed(), "late, and of its own address alone")
	g.Expect(s.has()).To(HaveLen(1))
	g.Expect(milo2.Stop(t.Context())).To(Succeed())
	g.Expect(s.has()).To(BeEmpty())
}

func TestAServerThatRefusesOrIsGone(t *testing.T) {
	g := NewWithT(t)
	s := serve(t)
	stranger := newName(t, "milo1", s.address, "bm9ib2R5IGtub3dzIHRoaXM=")
	g.Expect(stranger.Start(t.Context())).To(MatchError(HavePrefix("point www.example.org. to 192.0.2.1: ")))
	g.Expect(s.has()).To(BeEmpty())

	n := newName(t, "milo1", s.address, secret)
	g.Expect(n.Start(t.Context())).To(Succeed())
	g.Expect(s.dns.Shutdown()).To(Succeed())
	state, text, err := n.Status(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state).To(Equal(failover.Running))
	g.Expect(text).To(HavePrefix("what was known last counts: ask 127.0.0.1:"))
	g.Expect(n.Start(t.Context())).NotTo(Succeed())
	g.Expect(n.Stop(t.Context())).NotTo(Succeed())
	state, _, err = n.Status(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state).To(Equal(failover.Stopped), "the other node may go on")
}

func TestParseRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"want DNS::NAME":                      nil,
		"is no name in a zone":                {"www"},
		"no server":                           {"www.example.org", "milo1=192.0.2.1"},
		"no address of this node: want milo1": {"www.example.org", "milo2=192.0.2.1", "server=ns"},
		"is no address":                       {"www.example.org", "milo1=ns", "server=ns"},
		"want a number of seconds":            {"www.example.org", "ttl=-1"},
		"is not in the zone":                  {"www.example.org", "milo1=192.0.2.1", "server=ns", "zone=example.com"},
		"want NODE=ADDRESS":                   {"www.example.org", "192.0.2.1"},
	} {
		_, err := dnsname.Parse("milo1", args)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}
