package witness_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	core "github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/driver/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// serve runs a witness that knows the keys of milo1.
func serve(t *testing.T, key, milo1 witness.Key) string {
	t.Helper()
	g := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	g.Expect(err).NotTo(HaveOccurred())
	members, err := witness.ParseMembers("milo1+milo2 milo1 " + milo1.Pin + " # the first\n\n")
	g.Expect(err).NotTo(HaveOccurred())
	voter, start := core.NewVoter(0, time.Minute, 7), time.Now()
	s := witness.Server{
		Key: key, Members: members, Log: func(string) {},
		Ask: func(ask witnesswire.Ask) (witnesswire.Answer, bool) { return voter.Ask(time.Since(start), ask) },
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		NewWithT(t).Eventually(ended).WithTimeout(patience).Should(Receive(BeNil()))
	})
	return l.Addr().String()
}

func key(t *testing.T, name string) witness.Key {
	t.Helper()
	k, err := witness.LoadKey(filepath.Join(t.TempDir(), name))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return k
}

// run connects a node to a witness; what it hears comes out.
func run(t *testing.T, c witness.Client) (client *witness.Client, answers chan []byte, reached chan error) {
	t.Helper()
	answers, reached = make(chan []byte, 100), make(chan error, 100)
	c.Answered, c.Reached = func(p []byte) { answers <- p }, func(err error) { reached <- err }
	client = witness.NewClient(c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		NewWithT(t).Eventually(ended).WithTimeout(patience).Should(BeClosed())
	})
	return client, answers, reached
}

func TestAQuestionIsAnswered(t *testing.T) {
	g := NewWithT(t)
	third, milo1 := key(t, "witness"), key(t, "milo1")
	address := serve(t, third, milo1)
	client, answers, reached := run(t, witness.Client{Address: address, Pin: third.Pin, Key: milo1})
	g.Eventually(reached).WithTimeout(patience).Should(Receive(BeNil()))
	ask := witnesswire.Ask{
		Sequence: 1, Lease: 30 * time.Second, Cluster: "milo1+milo2", Node: "milo1",
		Groups: []witnesswire.Group{{Flags: witnesswire.Want, Name: "drbddisk::r1"}},
	}
	client.Ask(ask.Append(nil))
	var packet []byte
	g.Eventually(answers).WithTimeout(patience).Should(Receive(&packet))
	answer, err := witnesswire.DecodeAnswer(packet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.Incarnation).To(BeEquivalentTo(7))
	g.Expect(answer.Groups).To(ConsistOf(witnesswire.Grant{Verdict: witnesswire.Stale}))

	ask.Node, ask.Incarnation = "milo2", 7
	client.Ask(ask.Append(nil))
	g.Eventually(reached).WithTimeout(patience).Should(Receive(HaveOccurred()), "a node asks for itself alone")
}

// far is a place in front of a server, from which everything takes a while each way.
func far(t *testing.T, server string, delay time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = l.Close() })
	carry := func(from, to net.Conn) {
		defer func() { _ = to.Close() }()
		for b := make([]byte, 64<<10); ; {
			n, err := from.Read(b)
			<-time.After(delay)
			if _, failed := to.Write(b[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			beyond, err := net.Dial("tcp", server) //nolint:noctx // of a test
			if err != nil {
				_ = near.Close()
				return
			}
			go carry(near, beyond)
			go carry(beyond, near)
		}
	}()
	return l.Addr().String()
}

// A witness on another continent gives leases as well: what the core makes of it
// is in the scenario witness-far-away.
func TestAWitnessThatIsFarAway(t *testing.T) {
	g := NewWithT(t)
	third, milo1 := key(t, "witness"), key(t, "milo1")
	client, answers, reached := run(t, witness.Client{
		Address: far(t, serve(t, third, milo1), 300*time.Millisecond), Pin: third.Pin, Key: milo1,
	})
	g.Eventually(reached).WithTimeout(patience).Should(Receive(BeNil()))
	ask := witnesswire.Ask{
		Sequence: 1, Lease: 30 * time.Second, Cluster: "milo1+milo2", Node: "milo1", Incarnation: 7,
		Groups: []witnesswire.Group{{Flags: witnesswire.Want | witnesswire.Held, Name: "drbddisk::r1"}},
	}
	client.Ask(ask.Append(nil))
	var packet []byte
	g.Eventually(answers).WithTimeout(patience).Should(Receive(&packet))
	g.Expect(reached).NotTo(Receive(), "and the connection stays")
	answer, err := witnesswire.DecodeAnswer(packet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.Groups).To(ConsistOf(HaveField("Verdict", witnesswire.Granted)))
}

func TestOnlyKnownKeys(t *testing.T) {
	third, milo1, stranger := key(t, "witness"), key(t, "milo1"), key(t, "stranger")
	for name, tc := range map[string]struct {
		wrongWitness, wrongNode bool
		want                    string
	}{
		"a witness with another key is not asked": {
			wrongWitness: true, want: "found a key with pin " + third.Pin + ", want " + milo1.Pin + ": 'pollux-witness pin'",
		},
		"a node with another key is not answered": {
			wrongNode: true, want: "it does not know this node's key: want a line 'CLUSTER NODE " + stranger.Pin + "' in its file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := witness.Client{Address: serve(t, third, milo1), Pin: third.Pin, Key: milo1}
			if tc.wrongWitness {
				c.Pin = milo1.Pin
			}
			if tc.wrongNode {
				c.Key = stranger
			}
			_, _, reached := run(t, c)
			NewWithT(t).Eventually(reached).WithTimeout(patience).Should(Receive(MatchError(ContainSubstring(tc.want))))
		})
	}
}

func TestAKeyIsKept(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "key")
	first, err := witness.LoadKey(path)
	g.Expect(err).NotTo(HaveOccurred())
	second, err := witness.LoadKey(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Pin).To(Equal(first.Pin))
	g.Expect(first.Pin).To(MatchRegexp("^[0-9a-f]{64}$"))
	g.Expect(os.WriteFile(path, []byte("no key"), 0o600)).To(Succeed())
	_, err = witness.LoadKey(path)
	g.Expect(err).To(HaveOccurred())
}

func TestMembersThatAreRefused(t *testing.T) {
	pin := key(t, "milo1").Pin
	for name, text := range map[string]string{
		"too few words":    "site milo1",
		"a pin too short":  "site milo1 abc",
		"one key for both": "site milo1 " + pin + "\nsite milo2 " + pin,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := witness.ParseMembers(text)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}
