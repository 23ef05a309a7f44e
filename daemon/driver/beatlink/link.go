// Package beatlink carries heartbeats: datagrams over UDP, on all media of
// ha.cf at once. What is in them is not its business.
//
// There is one socket to receive for each interface and port, and one to send
// for each medium. A receiver hands each datagram over while it holds its
// socket's lock; so when Drain has had the lock and found the socket empty,
// everything that lay in it has been handed over.
//
// Source: Heartbeat, sections 1.1 and 12.
package beatlink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/optionc/pollux/daemon/format/haconf"
)

// MaxDatagram is the longest datagram, in bytes; UDP carries no longer ones.
const MaxDatagram = 64 << 10

// A Sink hears what comes. Its methods are called by several goroutines, for
// one socket one after the other. They may block; they must not call Close.
type Sink interface {
	// Datagram came on a medium; data is valid during the call only.
	Datagram(medium string, data []byte)
	// Drained: whatever lay in the sockets when Drain was called has been handed
	// over.
	Drained()
}

// Config says which media there are.
type Config struct {
	Media []haconf.Medium // ping nodes do not count
	// Devices replaces names of network interfaces, for tests: by another name,
	// or by "" for none.
	Devices map[string]string
	// Bind is the address to receive on when there is no interface to bind to;
	// the zero Addr is any.
	Bind netip.Addr
	// Log hears of each new trouble with a medium, and of its end; may be nil.
	Log func(text string)
}

// Link is all media, open. Its methods may be called from any goroutine.
type Link struct {
	senders   []*sender
	receivers []*receiver
	sink      Sink
	// drain holds one token while a Drain is wanted.
	drain chan struct{}
	stop  chan struct{}
	all   sync.WaitGroup
}

// Open opens all media, or none: a heartbeat that is missing because of a
// mistake in ha.cf would be noticed too late.
func Open(ctx context.Context, c Config, sink Sink) (*Link, error) {
	if !slices.ContainsFunc(c.Media, func(m haconf.Medium) bool { return m.Kind.ReachesPeer() }) {
		return nil, errors.New("open the heartbeat's media: there are none; want ucast, bcast or mcast in ha.cf")
	}
	l := &Link{sink: sink, drain: make(chan struct{}, 1), stop: make(chan struct{})}
	for _, m := range c.Media {
		if !m.Kind.ReachesPeer() {
			continue // package pingnode asks it
		}
		if err := l.open(ctx, c, m); err != nil {
			l.closeSockets()
			return nil, fmt.Errorf("open medium %s %s: %w", m.Kind, orAddress(m), err)
		}
	}
	for _, r := range l.receivers {
		l.all.Go(func() { r.run(sink) })
	}
	l.all.Go(l.drains)
	return l, nil
}

func orAddress(m haconf.Medium) string {
	if m.Device != "" {
		return m.Device
	}
	return m.Address
}

// open adds the sockets of one medium.
func (l *Link) open(ctx context.Context, c Config, m haconf.Medium) error {
	switch m.Kind {
	case haconf.Unicast, haconf.Broadcast, haconf.Multicast, haconf.Unicast6, haconf.Multicast6:
	default:
		return errors.New("it is no medium")
	}
	device := m.Device
	if other, ok := c.Devices[device]; ok {
		device = other
	}
	s, err := openSender(ctx, m, device)
	if err != nil {
		return err
	}
	s.log = c.Log
	l.senders = append(l.senders, s)
	where := place{device: device, port: m.Port, six: s.to.Addr().Is6()}
	if c.Bind.Is6() == where.six {
		where.bind = c.Bind
	}
	if isMulticast(m) {
		where.group = s.to.Addr()
	}
	if slices.ContainsFunc(l.receivers, func(r *receiver) bool { return r.where == where }) {
		return nil
	}
	shared := slices.ContainsFunc(c.Media, isMulticast)
	r, err := openReceiver(ctx, m.Device, where, shared)
	if err != nil {
		return err
	}
	l.receivers = append(l.receivers, r)
	return nil
}

func isMulticast(m haconf.Medium) bool {
	return m.Kind == haconf.Multicast || m.Kind == haconf.Multicast6
}

// Names are the names that datagrams come with: those of the interfaces, each
// once.
func (l *Link) Names() []string {
	var names []string
	for _, r := range l.receivers {
		if !slices.Contains(names, r.medium) {
			names = append(names, r.medium)
		}
	}
	return names
}

// Send sends data as one datagram on every medium. It never waits: a medium
// that can't take it loses it.
func (l *Link) Send(data []byte) {
	for _, s := range l.senders {
		s.send(data)
	}
}

// Drain empties the sockets in the background. Drained follows; one Drained
// can be the answer to several Drains.
func (l *Link) Drain() {
	select {
	case l.drain <- struct{}{}:
	default:
	}
}

func (l *Link) drains() {
	for {
		select {
		case <-l.stop:
			return
		case <-l.drain:
		}
		for _, r := range l.receivers {
			r.drain(l.sink)
		}
		l.sink.Drained()
	}
}

// Close closes all media, and waits until the Sink has heard all.
func (l *Link) Close() {
	close(l.stop)
	l.closeSockets()
	l.all.Wait()
}

func (l *Link) closeSockets() {
	for _, s := range l.senders {
		_ = s.conn.Close()
	}
	for _, r := range l.receivers {
		_ = r.conn.Close()
	}
}
