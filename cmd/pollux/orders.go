package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// resourceOrders are the orders about one resource.
func resourceOrders(p *place) []*cobra.Command {
	force := func(cmd *cobra.Command, o *control.Order, flag, usage string) {
		cmd.Flags().BoolVar(&o.Force, flag, false, usage)
	}
	var list []*cobra.Command
	add := func(verb, short, long, flag, usage string) {
		o := &control.Order{Order: verb}
		cmd := &cobra.Command{
			Use: verb + " RESOURCE", Short: short, Long: long, Args: cobra.ExactArgs(1),
			ValidArgsFunction: p.completeResource,
			RunE: func(cmd *cobra.Command, args []string) error {
				o.Resource = args[0]
				return send(cmd, p, *o)
			},
		}
		if flag != "" {
			force(cmd, o, flag, usage)
		}
		list = append(list, cmd)
	}
	add("primary", "let users open the device here",
		`Make this node Primary. It is refused while the peer is Primary, and when this
node can't be sure that it has the newest data; the reason is named.`,
		"force", "declare this node's data good, whatever the peer has")
	add("secondary", "take the device from users", "Make this node Secondary. It is refused while the device is in use.",
		"", "")
	add("connect", "look for the peer", "Look for the peer again after a disconnect, or after the node gave it up.",
		"discard-my-data", "in a split brain, give up what was written here")
	add("disconnect", "leave the peer", "Leave the peer until connect.", "", "")
	add("attach", "use the disk below", "Use the disk below again after a detach or a failure.", "", "")
	add("detach", "stop using the disk below", "Stop using the disk below; the peer's copy serves on.", "", "")
	add("invalidate", "give up this node's data", "Fetch everything from the peer again.", "", "")
	add("invalidate-remote", "give up the peer's data", "Send everything to the peer again.", "", "")
	add("pause-sync", "let no resync go on", "Let no resync go on, or begin, until resume-sync; the peer pauses as well.", "", "")
	add("resume-sync", "let resyncs go on again", "Let resyncs go on again, unless the peer has paused them too.", "", "")
	add("adjust", "take over what has changed in drbd.conf",
		`Read drbd.conf again and take over what may change while the resource runs:
timeouts, rates, policies. Else nothing is changed, and what needs a new start
of polluxd is named.`, "", "")
	add("outdate", "mark this node's data as old", "Mark this node's data as old, so that it is not promoted by itself.",
		"force", "even if this node has changes that its peer lacks")
	add("suspend-io", "let users of the device wait", "Let requests of the device's users wait until resume-io.", "", "")
	add("resume-io", "end every wait of the device's users",
		`Let requests of the device's users go on, whatever they wait for: suspend-io, a
fence-peer handler that did not succeed, or data. What a lost peer was to have
is this node's alone from then on.`, "", "")
	return append(list, newResize(p), newCurrentUUID(p))
}

// groupOrders are the orders about the groups of haresources.
func groupOrders(p *place) []*cobra.Command {
	sets := []string{"all", "local", "foreign", "failback"}
	args := cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)
	standby := &cobra.Command{
		Use: "standby [all|local|foreign|failback]", Short: "give groups to the peer",
		Long:      "Give groups to the peer: stop them here in order, then start them there.",
		ValidArgs: sets, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return send(cmd, p, control.Order{Order: "standby", Args: args})
		},
	}
	force := false
	takeover := &cobra.Command{
		Use: "takeover [all|local|foreign|failback]", Short: "get groups from the peer",
		Long:      "Get groups from the peer, if it is there; else start them here.",
		ValidArgs: sets, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return send(cmd, p, control.Order{Order: "takeover", Args: args, Force: force})
		},
	}
	takeover.Flags().BoolVar(&force, "force", false, "vouch that a peer that was not heard since a crash runs nothing")
	return []*cobra.Command{standby, takeover}
}

// ask gives the daemon an order, and returns what it says of that.
func ask(cmd *cobra.Command, p *place, o control.Order) (control.Answer, error) {
	client, err := p.dial()
	if err != nil {
		return control.Answer{}, err
	}
	return client.Order(cmd.Context(), o)
}

// told is ask for an order whose answer is a text; a refusal is an error.
func told(cmd *cobra.Command, p *place, o control.Order) (string, error) {
	a, err := ask(cmd, p, o)
	if err == nil && !a.OK {
		err = exitError{errors.New(a.Text), exitFailed}
	}
	return a.Text, err
}

// send gives the daemon an order; a refusal ends with drbdsetup's exit status.
func send(cmd *cobra.Command, p *place, o control.Order) error {
	a, err := ask(cmd, p, o)
	switch {
	case err != nil:
		return err
	case a.OK:
		return nil
	case a.Code == 0:
		return exitError{errors.New(a.Text), exitFailed}
	}
	status := exitRefused
	if drbdwire.Code(a.Code) == drbdwire.NoUpToDateDisk {
		status = exitNoData
	}
	code := drbdwire.Code(a.Code)
	text := fmt.Sprintf("State change failed: (%d) %s", a.Code, code)
	if a.Text != "" && a.Text != code.String() {
		text += ": " + a.Text
	}
	return exitError{errors.New(text), status}
}
