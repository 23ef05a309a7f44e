package node

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/handler"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// handlers runs the handlers of one resource, one after the other as they were
// called. Fencing waits for none of them.
type handlers struct {
	set handler.Set

	mu      sync.Mutex
	waiting []replica.Effect
	running bool
}

func (d *device) makeHandlers() {
	c := d.conf
	family := "ipv4"
	if c.Peer.Address.IPv6 {
		family = "ipv6"
	}
	d.handlers.set = handler.Set{
		Run: command.Exec, Commands: c.Conf.Handlers,
		Resource: handler.Resource{
			Name: c.Conf.Name, Conf: filepath.Join(d.node.site.Dir, "drbd.conf"), Minor: strconv.Itoa(c.Volume.Minor),
			Volume: strconv.Itoa(int(c.Volume.Number)), Disk: c.Volume.Disk, Family: family, Address: c.Peer.Address.IP,
			Peers: c.Peer.Names,
		},
	}
}

// call runs a handler, now or after those that were called before.
func (d *device) call(e replica.Effect) {
	if e.Text == replica.HandlerFencePeer {
		d.node.working.Go(func() { d.runHandler(e) })
		return
	}
	h := &d.handlers
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = append(h.waiting, e)
	if !h.running {
		h.running = true
		d.node.working.Go(d.runHandlers)
	}
}

// runHandlers runs what was called, until nothing is left.
func (d *device) runHandlers() {
	h := &d.handlers
	for {
		h.mu.Lock()
		if len(h.waiting) == 0 {
			h.running = false
			h.mu.Unlock()
			return
		}
		next := h.waiting[0]
		h.waiting = append(h.waiting[:0], h.waiting[1:]...)
		h.mu.Unlock()
		d.runHandler(next)
	}
}

func (d *device) runHandler(e replica.Effect) {
	if e.Text == replica.CallTakeSnapshot || e.Text == replica.CallDropSnapshot {
		d.snapshot(e)
		return
	}
	d.helper(Event{Text: "handler " + e.Text + " is called", Helper: e.Text})
	exit, said := d.handlers.set.Call(d.node.ctx, e.Text)
	text := fmt.Sprintf("handler %s ended with exit status %d", e.Text, exit)
	if exit == handler.NotRun {
		text = fmt.Sprintf("handler %s did not run to its end", e.Text)
	}
	if said != "" {
		text += ": " + said
	}
	d.helper(Event{Text: text, Helper: e.Text, Exit: &exit})
	d.put(replica.Input{Kind: replica.Called, ID: e.ID, Exit: exit, Text: said})
}

// helper tells of a handler.
func (d *device) helper(e Event) {
	d.node.log.Info(e.Text, "resource", d.conf.Conf.Name)
	e.Resource = d.conf.Conf.Name
	d.node.publish(e)
}

// snapshot takes or drops the snapshot of the disk below.
func (d *device) snapshot(e replica.Effect) {
	s := lvm.Snapshot{Device: d.conf.Volume.Disk, Run: d.handlers.set.Run}
	in := replica.Input{Kind: replica.Called, ID: e.ID}
	text := "snapshot of " + s.Device + " taken"
	var err error
	if e.Text == replica.CallTakeSnapshot {
		err = s.Make(d.node.ctx, e.Offset)
	} else {
		text = "no snapshot of " + s.Device + " is needed any more"
		err = s.Drop(d.node.ctx)
	}
	if err != nil {
		text, in.Exit, in.Text = err.Error(), 1, err.Error()
	}
	d.tell(text)
	d.put(in)
}
