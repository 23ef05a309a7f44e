// Package drbdsetup is the command of that name as DRBD 8.4 has it, for scripts
// and monitoring that know no other: its syntax, its texts, its exit statuses.
// What it asks and orders goes to polluxd in place of the kernel.
//
// Source: drbd.conf and its tools, sections 7.2, 8 and 9, and the outputs that
// the tools of DRBD were recorded with.
package drbdsetup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/node"
)

// Name is what the command calls itself in messages.
const Name = "drbdsetup-84"

// Exit statuses. Source: drbd.conf and its tools, section 7.2.
const (
	ExitLower   = 5 // the disk is worse than Outdated; also a wait that timed out
	ExitError   = 10
	ExitRefused = 11
	ExitNoDisk  = 16
	ExitNoData  = 17
	ExitFailed  = 20
)

// A Daemon answers in place of the kernel; *control.Client does.
type Daemon interface {
	Status(ctx context.Context, v any) error
	Order(ctx context.Context, o control.Order) (control.Answer, error)
	Follow(ctx context.Context, begun func() error, f func(event json.RawMessage)) error
}

// Tool is the command.
type Tool struct {
	Stdout, Stderr io.Writer
	// Dial finds the daemon.
	Dial func() (Daemon, error)
}

// A call is one run of a command.
type call struct {
	*Tool
	daemon   Daemon
	status   node.Status
	resource *node.ResourceStatus // nil if the command is about none, or about all
	verb     string
	subject  string // what messages begin with
	args     []string
	options  map[string]string
}

// Run carries a command out and gives its exit status.
func (t *Tool) Run(ctx context.Context, args []string) int {
	if len(args) > 1 && strings.HasPrefix(args[0], "/dev/") {
		args[0], args[1] = args[1], args[0] // the order of 0.7
	}
	if len(args) == 0 || args[0] == "help" || strings.HasPrefix(args[0], "-") {
		t.usage()
		return ExitFailed
	}
	cmd, ok := find(args[0])
	if !ok {
		t.complain("%s: unknown command", args[0])
		t.usage()
		return ExitFailed
	}
	c := &call{Tool: t, verb: cmd.name, options: map[string]string{}}
	if wrong := c.parse(cmd, args[1:]); wrong != "" {
		t.complain("%s: %s", cmd.name, wrong)
		t.usage()
		return ExitFailed
	}
	var err error
	if c.daemon, err = t.Dial(); err == nil {
		err = c.daemon.Status(ctx, &c.status)
	}
	if err != nil {
		t.complain("%s", err)
		return ExitFailed
	}
	if code := c.about(cmd); code != 0 {
		return code
	}
	return cmd.run(ctx, c)
}

func (t *Tool) complain(format string, args ...any) { t.say(t.Stderr, format+"\n", args...) }

func (t *Tool) print(format string, args ...any) { t.say(t.Stdout, format, args...) }

// say ignores a reader that went away: it ends the command by a signal.
func (t *Tool) say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func (t *Tool) usage() {
	t.print("\nUSAGE: drbdsetup command {arguments} [options]\n\nCommands are:\n")
	all := commands()
	for i, cmd := range all {
		if i%4 == 0 {
			t.print("   ")
		}
		t.print(" %-19s", cmd.name)
		if i%4 == 3 || i == len(all)-1 {
			t.print("\n")
		}
	}
	t.print("\n")
}

// texts are the resources as the texts of DRBD show them.
func (c *call) texts() []drbdtext.Resource {
	var list []drbdtext.Resource
	for i := range c.status.Resources {
		r := &c.status.Resources[i]
		if !r.Down && (c.resource == nil || c.resource == r) {
			list = append(list, r.Text(c.status.Peer))
		}
	}
	return list
}
