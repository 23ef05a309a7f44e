// Package etcd makes a witness of an etcd cluster that a site has already. The
// cluster decides nothing and measures no time: it keeps one text for each pair
// of nodes. Each node decides for itself what becomes of it (witness.Shared) and
// writes that if nobody has written meanwhile.
package etcd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/driver/newest"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Config is what a Client is made from.
type Config struct {
	Endpoints []string    // URLs of members
	TLS       *tls.Config // nil: the URLs are http
	Key       string      // of the pair's text
	Node      string      // this one
	Lease     time.Duration
	// Answered takes an answer. Reached hears that the cluster was reached, or why
	// not.
	Answered func(packet []byte)
	Reached  func(why error)
}

// Client is a node's connection to its witness. A question that can't be
// answered is lost; the core asks again.
type Client struct {
	cfg       Config
	etcd      *clientv3.Client
	shared    *witness.Shared
	start     time.Time
	questions newest.Queue[[]byte]
}

// How long one visit to the cluster may take, as a part of a lease, but not
// shorter, and how often it is looked at what is stored. The core asks more
// often than that while it needs something.
const (
	visitPart = 4
	shortest  = 2 * time.Second
	lookPart  = 12
)

// A member that does not answer is left after that.
const (
	aliveEach   = 10 * time.Second
	aliveWithin = 5 * time.Second
)

// New makes one; Run runs it.
func New(cfg Config) (*Client, error) {
	var life [8]byte
	if _, err := rand.Read(life[:]); err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, start: time.Now(), questions: newest.New[[]byte](),
		shared: witness.NewShared(cfg.Node, cfg.Lease, binary.BigEndian.Uint64(life[:])|1),
	}
	var err error
	c.etcd, err = clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints, TLS: cfg.TLS, Logger: zap.NewNop(), DialTimeout: c.within(),
		DialKeepAliveTime: aliveEach, DialKeepAliveTimeout: aliveWithin, PermitWithoutStream: true,
	})
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", c.name(), err)
	}
	return c, nil
}

func (c *Client) name() string { return "etcd " + strings.Join(c.cfg.Endpoints, ",") }

// Ask sends a question. A newer one replaces one that waits.
func (c *Client) Ask(packet []byte) { c.questions.Put(packet) }

// Run answers questions until ctx ends.
func (c *Client) Run(ctx context.Context) {
	defer func() { _ = c.etcd.Close() }()
	looks := time.NewTicker(c.cfg.Lease / lookPart)
	defer looks.Stop()
	last := "nothing was heard yet"
	for {
		var packet []byte
		select {
		case <-ctx.Done():
			return
		case packet = <-c.questions:
		case <-looks.C:
		}
		err := c.visit(ctx, packet)
		if ctx.Err() != nil {
			return
		}
		now := ""
		if err != nil {
			err = fmt.Errorf("witness %s: %w", c.name(), err)
			now = err.Error()
		}
		if now != last {
			c.cfg.Reached(err)
		}
		last = now
	}
}

func (c *Client) within() time.Duration { return max(c.cfg.Lease/visitPart, shortest) }

// visit looks at what is stored, and answers a question if there is one.
func (c *Client) visit(ctx context.Context, packet []byte) error {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), c.within())
	defer cancel()
	got, err := c.etcd.Get(ctx, c.cfg.Key)
	if err != nil {
		return err
	}
	text, revision := stored(got)
	for {
		if err := c.shared.Saw(time.Since(c.start), text); err != nil || packet == nil {
			return err
		}
		done, now, err := c.answer(ctx, packet, revision)
		if err != nil || done {
			return err
		}
		text, revision = stored(now)
	}
}

// answer decides about a question. If somebody has written since the revision
// that was seen, it is not done, and what is stored now comes back.
func (c *Client) answer(ctx context.Context, packet []byte, revision int64) (bool, *clientv3.GetResponse, error) {
	ask, err := witnesswire.DecodeAsk(packet)
	if err != nil {
		return true, nil, err
	}
	a, text, ok := c.shared.Ask(time.Since(c.start), ask)
	if !ok {
		return true, nil, nil
	}
	if text != nil {
		put, err := c.etcd.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(c.cfg.Key), "=", revision)).
			Then(clientv3.OpPut(c.cfg.Key, string(text))).
			Else(clientv3.OpGet(c.cfg.Key)).
			Commit()
		if err != nil {
			return true, nil, err
		}
		if !put.Succeeded {
			return false, (*clientv3.GetResponse)(put.Responses[0].GetResponseRange()), nil
		}
		if err := c.shared.Saw(time.Since(c.start), text); err != nil {
			return true, nil, err
		}
	}
	c.cfg.Answered(a.Append(nil))
	return true, nil, nil
}

// stored is a text, and when it was written; 0 and nothing: never.
func stored(got *clientv3.GetResponse) (text []byte, revision int64) {
	if len(got.Kvs) == 0 {
		return nil, 0
	}
	return got.Kvs[0].Value, got.Kvs[0].ModRevision
}
