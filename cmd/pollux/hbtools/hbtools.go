// Package hbtools is cl_status, hb_standby and hb_takeover as Heartbeat 3.0.6 has them, for scripts and monitoring that
// know no other: their arguments, their texts, their exit statuses.
//
// One thing is better: hb_standby and hb_takeover wait for what becomes of the order, and fail if it does.
//
// Source: Heartbeat, sections 13.1 and 13.2, and what the tools of Debian's package printed.
package hbtools

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

// Exit statuses. Source: Heartbeat, section 13.2.
const (
	exitFailed = 1
	exitUsage  = 11
	exitOther  = 13
)

// A Daemon answers in place of Heartbeat; *control.Client does.
type Daemon interface {
	Status(ctx context.Context, v any) error
	Order(ctx context.Context, o control.Order) (control.Answer, error)
}

// Tool is one of the commands.
type Tool struct {
	Stdout, Stderr io.Writer
	// Dial finds the daemon.
	Dial func() (Daemon, error)
	// HA reads ha.cf.
	HA func() (*haconf.HA, error)
	// Node is the name of this node.
	Node string
}

// timeStamp is how Heartbeat's tools write the time.
const timeStamp = "Jan _2 15:04:05"

func (t *Tool) print(format string, args ...any) { _, _ = fmt.Fprintf(t.Stdout, format, args...) }

// complain writes lines as the log has them.
func (t *Tool) complain(lines ...string) {
	for _, line := range lines {
		_, _ = fmt.Fprintf(t.Stderr, "%s %s cl_status: [%d]: ERROR: %s\n", time.Now().Format(timeStamp), t.Node,
			os.Getpid(), line)
	}
}

// Move is hb_standby and hb_takeover: name is what the command was called by.
func (t *Tool) Move(ctx context.Context, name string, args []string) int {
	verb := strings.TrimPrefix(name[strings.LastIndex(name, "/")+1:], "hb_")
	sets := []string{"all", "foreign", "local", "failback"}
	usage := func(complaint string) int {
		t.print("%susage:\n", complaint)
		_, _ = fmt.Fprintf(t.Stderr, "%s [%s]\n", name, strings.Join(sets, "|"))
		return exitFailed
	}
	set := "all"
	switch {
	case len(args) > 1:
		return usage(name + ": too many arguments\n")
	case len(args) == 1 && strings.HasPrefix(args[0], "-"):
		return usage("")
	case len(args) == 1 && !slices.Contains(sets, args[0]):
		return usage(fmt.Sprintf("%s: wrong resources(%s).\n", name, args[0]))
	case len(args) == 1:
		set = args[0]
	}
	daemon, err := t.Dial()
	if err == nil {
		if verb == "standby" {
			_, _ = fmt.Fprintf(t.Stderr, "%s Going standby [%s].\n", time.Now().Format(timeStamp), set)
		}
		var a control.Answer
		a, err = daemon.Order(ctx, control.Order{Order: verb, Args: []string{set}})
		if err == nil && !a.OK {
			err = fmt.Errorf("%s", a.Text)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(t.Stderr, "%s: %v\n", name, err)
		return exitFailed
	}
	return 0
}

// cluster asks the daemon; before communication is up nobody gets an answer, as from Heartbeat.
func (t *Tool) cluster(ctx context.Context) (*node.ClusterStatus, bool) {
	daemon, err := t.Dial()
	if err != nil {
		return nil, false
	}
	var s node.Status
	if err := daemon.Status(ctx, &s); err != nil || s.Cluster == nil || !s.Cluster.CommsUp {
		return nil, false
	}
	return s.Cluster, true
}
