package etcd_test

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/etcd"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

const (
	lease    = 10 * time.Second
	patience = time.Minute
	limit    = NodeTimeout(3 * time.Minute)
)

// voter is a node's connection to the witness, and what a core does with it.
type voter struct {
	client   *etcd.Client
	name     string
	life     uint64
	sequence uint64
	answers  chan []byte
	trouble  atomic.Value // string; empty: the cluster was reached
}

func newVoter(s *server, name string, secrets *tls.Config) *voter {
	GinkgoHelper()
	v := &voter{name: name, answers: make(chan []byte, 100)}
	v.trouble.Store("nothing was heard yet")
	var err error
	v.client, err = etcd.New(etcd.Config{
		Endpoints: []string{s.url}, TLS: secrets, Key: "/pollux/milo1+milo2", Node: name, Lease: lease,
		Answered: func(packet []byte) { v.answers <- packet },
		Reached: func(err error) {
			if err == nil {
				v.trouble.Store("")
			} else {
				v.trouble.Store(err.Error())
			}
		},
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background()) // it ends with the spec
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.client.Run(ctx)
	}()
	DeferCleanup(func() {
		stop()
		Eventually(ended).WithTimeout(patience).Should(BeClosed())
	})
	return v
}

func (v *voter) said() string { return v.trouble.Load().(string) }

// asks says what the witness answers about a group; questions are asked again as
// a core does.
func (v *voter) asks(ctx context.Context, flags witnesswire.Flags) func() witnesswire.Verdict {
	return func() witnesswire.Verdict {
		v.sequence++
		ask := witnesswire.Ask{
			Incarnation: v.life, Sequence: v.sequence, Lease: lease, Cluster: "milo1+milo2", Node: v.name,
			Groups: []witnesswire.Group{{Flags: flags, Name: "drbddisk::r1"}},
		}
		v.client.Ask(ask.Append(nil))
		soon := time.After(lease)
		for {
			select {
			case <-ctx.Done():
				return witnesswire.Crowded
			case <-soon:
				return witnesswire.Crowded // which nothing here is
			case packet := <-v.answers:
				a, err := witnesswire.DecodeAnswer(packet)
				if err != nil || a.Sequence != v.sequence {
					continue
				}
				v.life = a.Incarnation
				return a.Groups[0].Verdict
			}
		}
	}
}

const want = witnesswire.Want

var _ = Describe("An etcd as the witness of two nodes", Ordered, func() {
	var (
		s            *server
		milo1, milo2 *voter
	)
	answers := func(ctx SpecContext, v *voter, flags witnesswire.Flags, verdict witnesswire.Verdict) {
		GinkgoHelper()
		Eventually(v.asks(ctx, flags)).WithContext(ctx).WithTimeout(patience).Should(Equal(verdict))
	}
	BeforeAll(func(ctx SpecContext) {
		s = newServer(false)
		s.start(ctx)
		milo1, milo2 = newVoter(s, "milo1", nil), newVoter(s, "milo2", nil)
	}, limit)

	It("gives its vote to who asks first, when every older lease has ended", func(ctx SpecContext) {
		answers(ctx, milo1, want, witnesswire.Granted)
		Expect(milo1.said()).To(BeEmpty())
		answers(ctx, milo2, want, witnesswire.Taken)
	}, limit)

	It("keeps it there while that node asks", func(ctx SpecContext) {
		for until := time.Now().Add(lease + lease/5); time.Now().Before(until); {
			Expect(milo1.asks(ctx, want)()).To(Equal(witnesswire.Granted))
			Expect(milo2.asks(ctx, want)()).To(Equal(witnesswire.Taken))
		}
	}, limit)

	It("gives it to the other one when it is given back", func(ctx SpecContext) {
		answers(ctx, milo1, 0, witnesswire.Free)
		answers(ctx, milo2, want, witnesswire.Granted)
	}, limit)

	It("gives it away when nothing is heard of its holder for a lease", func(ctx SpecContext) {
		Expect(milo1.asks(ctx, want)()).To(Equal(witnesswire.Taken))
		answers(ctx, milo1, want, witnesswire.Granted)
	}, limit)

	It("remembers who went on alone, also when it loses power", func(ctx SpecContext) {
		answers(ctx, milo1, want|witnesswire.Alone, witnesswire.Granted)
		s.stop()
		Eventually(milo2.said).WithContext(ctx).WithTimeout(patience).Should(ContainSubstring("witness etcd http://127.0.0.1"))
		s.start(ctx)
		answers(ctx, milo2, want, witnesswire.Ahead)
		Eventually(milo2.said).WithContext(ctx).WithTimeout(patience).Should(BeEmpty())
		answers(ctx, milo1, want|witnesswire.Equal, witnesswire.Granted|witnesswire.Vouched)
		answers(ctx, milo1, witnesswire.Equal, witnesswire.Free|witnesswire.Vouched)
		answers(ctx, milo2, want, witnesswire.Granted|witnesswire.Vouched)
		answers(ctx, milo2, 0, witnesswire.Free|witnesswire.Vouched)
	}, limit)

	It("never gives it to both when they ask at the same time", func(ctx SpecContext) {
		for range 50 {
			verdicts := make(chan witnesswire.Verdict, 2)
			for _, v := range []*voter{milo1, milo2} {
				go func() { verdicts <- v.asks(ctx, want)() &^ witnesswire.Vouched }()
			}
			Expect([]witnesswire.Verdict{<-verdicts, <-verdicts}).To(
				ConsistOf(witnesswire.Granted, witnesswire.Taken))
			for _, v := range []*voter{milo1, milo2} {
				answers(ctx, v, 0, witnesswire.Free|witnesswire.Vouched)
			}
		}
	}, limit)
})

var _ = Describe("An etcd that knows its clients", func() {
	It("answers nodes, and nobody else", func(ctx SpecContext) {
		s := newServer(true)
		s.start(ctx)
		secrets := func(name string) *tls.Config {
			c, err := etcd.TLS(s.path("ca.pem"), s.path(name+".pem"), s.path(name+".key"))
			Expect(err).NotTo(HaveOccurred())
			return c
		}
		Eventually(newVoter(s, "milo1", secrets("node")).said).WithContext(ctx).WithTimeout(patience).Should(BeEmpty())
		stranger := newVoter(s, "milo1", secrets("stranger"))
		Eventually(stranger.said).WithContext(ctx).WithTimeout(patience).ShouldNot(Equal("nothing was heard yet"))
		Expect(stranger.said()).NotTo(BeEmpty())
		_, err := etcd.TLS(s.path("server.key"), "", "")
		Expect(err).To(MatchError(ContainSubstring("found no certificate")))
		_, err = etcd.TLS("", s.path("node.pem"), s.path("server.key"))
		Expect(err).To(MatchError(ContainSubstring("certificate for the witness")))
	}, limit)
})
