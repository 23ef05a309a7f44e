package drbdsetup

import (
	"context"
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// fail prints an error of the kernel's and gives its exit status.
func (c *call) fail(code int, text, info string) int {
	c.complain("%s: Failure: (%d) %s", c.subject, code, text)
	c.info("kernel", info)
	return ExitError
}

// info prints what there is to say besides.
func (c *call) info(who, text string) {
	if text != "" {
		c.complain("additional info from %s:\n%s", who, text)
	}
}

// send gives polluxd an order of that name about the resource.
func (c *call) send(ctx context.Context, o control.Order) int {
	o.Resource = c.resource.Name
	a, err := c.daemon.Order(ctx, o)
	if err != nil {
		c.complain("%s", err)
		return ExitFailed
	}
	return c.outcome(o.Order, a)
}

// outcome tells what became of an order.
func (c *call) outcome(verb string, a control.Answer) int {
	code := drbdwire.Code(a.Code)
	if a.OK {
		return 0
	}
	if a.Code == 0 {
		c.complain("%s: %s", c.subject, a.Text)
		return ExitFailed
	}
	c.complain("%s: State change failed: (%d) %s", c.subject, a.Code, code)
	if verb == "down" && code == drbdwire.DeviceInUse {
		c.info("kernel", "failed to demote")
	}
	if a.Text != code.String() {
		c.info("polluxd", strings.TrimSpace(a.Text))
	}
	switch code {
	case drbdwire.NoUpToDateDisk:
		return ExitNoData
	case drbdwire.LowerThanOutdated:
		return ExitLower
	case drbdwire.IsDiskless:
		return ExitNoDisk
	default:
		return ExitRefused
	}
}

// order is a command that polluxd has an order of the same name for.
func order(ctx context.Context, c *call) int {
	verb := c.verb
	s := drbdwire.UnpackState(c.resource.StateWord)
	if verb == "attach" && s.Disk > drbdwire.Diskless {
		return c.fail(124, "Device is attached to a disk (use detach first)", "")
	}
	o := control.Order{Order: verb, Force: c.has("force", "overwrite-data-of-peer", "do-what-I-say", "clear-bitmap")}
	for _, name := range []string{"assume-clean", "assume-peer-has-space"} {
		if c.has(name) {
			o.Args = append(o.Args, name)
		}
	}
	for _, name := range []string{"start", "stop", "size"} {
		value, ok := c.options[name]
		if !ok {
			continue
		}
		sectors, err := node.ParseSectors(value)
		if err != nil {
			c.complain("%s: --%s: %s", verb, name, err)
			return ExitFailed
		}
		o.Args = append(o.Args, fmt.Sprintf("%s=%d", name, sectors))
	}
	for _, name := range []string{"assume-clean", "assume-peer-has-space"} {
		if c.has(name) {
			o.Args = append(o.Args, name)
		}
	}
	return c.send(ctx, o)
}

// accept is a command for which there is nothing to do: polluxd has it from
// drbd.conf, or does it with another step.
func accept(context.Context, *call) int { return 0 }

func connect(ctx context.Context, c *call) int {
	if drbdwire.UnpackState(c.resource.StateWord).Conn > drbdwire.StandAlone {
		return c.fail(125, "Device has a net-config (use disconnect first)", "")
	}
	return c.send(ctx, control.Order{Order: "connect", Force: c.has("discard-my-data")})
}

func disconnect(ctx context.Context, c *call) int {
	if drbdwire.UnpackState(c.resource.StateWord).Conn == drbdwire.StandAlone {
		return c.fail(162, "Invalid configuration request", "unknown connection")
	}
	return c.send(ctx, control.Order{Order: "disconnect"})
}

func down(ctx context.Context, c *call) int {
	if c.resource == nil || c.resource.Down {
		return 0
	}
	return c.send(ctx, control.Order{Order: "down"})
}

// newMinor is the step of an up that makes the device appear.
func newMinor(ctx context.Context, c *call) int {
	if c.resource == nil {
		c.complain("%s: polluxd does not have this resource: it reads drbd.conf when it starts", c.subject)
		return ExitError
	}
	return c.send(ctx, control.Order{Order: "new-minor"})
}
