package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// Status asks the node's daemon how it is.
func (n *Node) Status(ctx context.Context) (node.Status, error) {
	var s node.Status
	client, err := n.dial()
	if err == nil {
		err = client.Status(ctx, &s)
	}
	return s, err
}

// Resource is the status of the one resource.
func (n *Node) Resource(ctx context.Context) (node.ResourceStatus, error) {
	s, err := n.Status(ctx)
	if err == nil && len(s.Resources) != 1 {
		err = fmt.Errorf("%s: found %d resources, want one", n.Name, len(s.Resources))
	}
	if err != nil {
		return node.ResourceStatus{}, err
	}
	return s.Resources[0], nil
}

// Role is the node's role; like the questions below it is made for Eventually.
func (n *Node) Role(ctx context.Context) (string, error) {
	r, err := n.Resource(ctx)
	return r.Role, err
}

// PeerRole is the role of the node's peer, as the node knows it.
func (n *Node) PeerRole(ctx context.Context) (string, error) {
	r, err := n.Resource(ctx)
	return r.PeerRole, err
}

// Connection is the state of the connection to the peer.
func (n *Node) Connection(ctx context.Context) (string, error) {
	r, err := n.Resource(ctx)
	return r.Connection, err
}

// Note is the last refusal or failure.
func (n *Node) Note(ctx context.Context) (string, error) {
	r, err := n.Resource(ctx)
	return r.Note, err
}

// Users is how many have the device open.
func (n *Node) Users(ctx context.Context) (int, error) {
	r, err := n.Resource(ctx)
	return r.Users, err
}

// States are what a resync changes.
type States struct{ Connection, Disk, PeerDisk string }

// States asks for them.
func (n *Node) States(ctx context.Context) (States, error) {
	r, err := n.Resource(ctx)
	return States{r.Connection, r.Disk, r.PeerDisk}, err
}

// Order gives an order about the resource; a refusal is the error.
func (n *Node) Order(ctx context.Context, verb string) error {
	return n.order(ctx, control.Order{Order: verb, Resource: Resource})
}

// Save has the daemon write its recording to a file.
func (n *Node) Save(ctx context.Context, file string) error {
	return n.order(ctx, control.Order{Order: "record", Args: []string{file}})
}

// Force is Order with --force.
func (n *Node) Force(ctx context.Context, verb string) error {
	return n.order(ctx, control.Order{Order: verb, Resource: Resource, Force: true})
}

func (n *Node) order(ctx context.Context, o control.Order) error {
	client, err := n.dial()
	if err != nil {
		return err
	}
	a, err := client.Order(ctx, o)
	if err == nil && !a.OK {
		err = errors.New(a.Text)
	}
	if err != nil {
		return fmt.Errorf("%s: %s %s: %w", n.Name, o.Order, o.Resource, err)
	}
	return nil
}

// dial gives the one client of a daemon, so that watching it costs one
// connection.
func (n *Node) dial() (*control.Client, error) {
	if n.daemon.client != nil {
		return n.daemon.client, nil
	}
	client, err := control.Dial(filepath.Join(n.RunDir(), "control.sock"))
	if err == nil {
		n.daemon.client = client
	}
	return client, err
}
