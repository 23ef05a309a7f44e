package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// The exit statuses of monitor that are an answer. Source: OCF resource agent
// API 1.0 and its extensions in use.
const (
	ocfSuccess       = 0
	ocfNotRunning    = 7
	ocfRunningMaster = 8
	ocfFailedMaster  = 9
)

// An ocf agent gets its action as only argument and its parameters in the
// environment.
type ocf struct {
	path string
	call caller
}

func (f Finder) ocf(word, provider, agent string, args []string) (Resource, error) {
	if !plainName(provider) || !plainName(agent) {
		return nil, fmt.Errorf("resource %q: want ocf:PROVIDER:AGENT", word)
	}
	root := or(f.OCFRoot, DefaultOCFRoot)
	env := []string{
		"OCF_ROOT=" + root, "OCF_RA_VERSION_MAJOR=1", "OCF_RA_VERSION_MINOR=0", "OCF_RESOURCE_TYPE=" + agent,
		"OCF_RESOURCE_PROVIDER=" + provider, "OCF_RESOURCE_INSTANCE=" + instance(agent, args),
	}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("resource %q: argument %q: want NAME=VALUE", word, arg)
		}
		env = append(env, "OCF_RESKEY_"+name+"="+value)
	}
	path := filepath.Join(root, "resource.d", provider, agent)
	if !executable(path) {
		return nil, fmt.Errorf("resource %q: no executable file %s in %s", word, agent, filepath.Dir(path))
	}
	return ocf{path: path, call: f.caller(env)}, nil
}

// instance names a resource as a file may be called, since agents keep what
// they know of it under that name: two of one agent must not share it.
func instance(agent string, args []string) string {
	if len(args) == 0 {
		return agent
	}
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	return agent + "-" + hex.EncodeToString(sum[:4])
}

// within tells an agent how long it has, in milliseconds: Xen gives its guest
// two thirds of that, and without it no time at all.
func (o ocf) within(action string, limit time.Duration) caller {
	c := o.call
	c.env = append(slices.Clone(c.env),
		fmt.Sprintf("OCF_RESKEY_CRM_meta_timeout=%d", limit.Milliseconds()),
		"OCF_RESKEY_CRM_meta_name="+action,
		"OCF_RESKEY_CRM_meta_interval=0")
	return c
}

// Status asks by monitor. An agent that failed may still hold what it manages.
func (o ocf) Status(ctx context.Context) (failover.State, string, error) {
	out, err := o.within("monitor", o.call.statusLimit).ask(ctx, o.path, "monitor")
	var exit *command.ExitError
	if err != nil && !errors.As(err, &exit) {
		return failover.Unknown, err.Error(), fmt.Errorf("status: %w", err)
	}
	switch out.Code {
	case ocfSuccess:
		return failover.Running, "running", nil
	case ocfRunningMaster:
		return failover.Running, "running as master", nil
	case ocfFailedMaster:
		return failover.Running, "failed as master", nil
	case ocfNotRunning:
		return failover.Stopped, "not running", nil
	default:
		return failover.Unknown, err.Error(), fmt.Errorf("status: %w", err)
	}
}

func (o ocf) Start(ctx context.Context) error { return o.order(ctx, "start") }

func (o ocf) Stop(ctx context.Context) error { return o.order(ctx, "stop") }

// StopWithin tells the agent how long it has; one for guests destroys what does
// not end in time.
func (o ocf) StopWithin(ctx context.Context, within time.Duration) error {
	return o.within("stop", within).order(ctx, o.path, "stop")
}

func (o ocf) order(ctx context.Context, action string) error {
	return o.within(action, o.call.orderLimit).order(ctx, o.path, action)
}
