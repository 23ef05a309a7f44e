// Package control is the administrator's way into the daemon: HTTP with JSON
// on a unix socket, for root and the daemon's own user. Readers may ask, and
// give no orders.
//
//	GET  /v1/status  what the daemon says of itself
//	POST /v1/order   an Order; answered by an Answer
//	GET  /v1/events  one JSON value a line, for as long as the client listens
//
// The types of status and events are the daemon's; this package only carries
// them.
package control

import "errors"

// DefaultPath is where the daemon listens.
const DefaultPath = "/run/pollux/control.sock"

// ErrNotRunning is in the error of a client that finds no daemon.
var ErrNotRunning = errors.New("polluxd is not running")

// An Order is something that an administrator wants done.
type Order struct {
	// Order is the verb: primary, secondary, connect, standby, ...
	Order string `json:"order"`
	// Resource is what it is about; "" if the verb needs none.
	Resource string `json:"resource,omitempty"`
	// Force is --force, or --discard-my-data.
	Force bool `json:"force,omitempty"`
	// Args are what else the verb needs.
	Args []string `json:"args,omitempty"`
}

// An Answer is what became of an Order.
type Answer struct {
	OK bool `json:"ok"`
	// Code is the number that goes with a refusal; it depends on the verb.
	Code int `json:"code"`
	// Text explains a refusal.
	Text string `json:"text"`
}

// Limits of what a client may send, in bytes.
const (
	maxHeader = 16 << 10
	maxOrder  = 64 << 10
)
