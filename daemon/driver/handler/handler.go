// Package handler runs the handlers of drbd.conf: command lines for a shell
// that are called when something happens to a resource.
package handler

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/command"
)

// Limit is how long a handler may run. One that shoots a machine over its
// management board takes a good part of that.
const Limit = 2 * time.Minute

// NotRun is the exit status of a handler that did not run to its end.
const NotRun = -1

// Resource is what handlers are told of the resource that calls them.
type Resource struct {
	Name   string
	Conf   string // the configuration file
	Minor  string
	Volume string
	Disk   string // the device below
	// Family is ipv4 or ipv6, of Address, where the peer is.
	Family, Address string
	Peers           []string // by their names in the file
}

// A Set is the handlers of one resource.
type Set struct {
	Resource Resource
	Commands map[string]string // by the name of their event
	Run      command.Runner    // command.Exec; a func in tests
}

// Call runs the handler of that name, and gives its exit status and what it
// printed. A handler that is not configured has succeeded, as with drbdadm.
func (s Set) Call(ctx context.Context, name string) (exit int, said string) {
	line, ok := s.Commands[name]
	if !ok {
		return 0, ""
	}
	r, err := s.Run(ctx, command.Program{
		Name: "/bin/sh", Args: []string{"-c", line}, Env: s.Resource.env(name), Limit: Limit,
	})
	said = strings.TrimSpace(string(r.Stdout) + string(r.Stderr))
	if _, exited := errors.AsType[*command.ExitError](err); err != nil && !exited {
		return NotRun, strings.TrimSpace(err.Error() + "\n" + said)
	}
	return r.Code, said
}

// env is what the kernel and drbdadm give a handler. Source: drbd.conf, section
// 7.5.
func (r Resource) env(event string) []string {
	env := []string{
		"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin",
		"DRBD_RESOURCE=" + r.Name, "DRBD_CONF=" + r.Conf, "DRBD_MINOR=" + r.Minor,
		"DRBD_PEER_AF=" + r.Family, "DRBD_PEER_ADDRESS=" + r.Address, "DRBD_PEERS=" + strings.Join(r.Peers, " "),
	}
	if len(r.Peers) > 0 {
		env = append(env, "DRBD_PEER="+r.Peers[0])
	}
	if event != "fence-peer" && event != "unfence-peer" { // those are about the resource as a whole
		env = append(env, "DRBD_VOLUME="+r.Volume, "DRBD_LL_DISK="+r.Disk)
	}
	return env
}
