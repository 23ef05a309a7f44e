package node

import (
	"context"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/control"
)

// adjustable are the options that replica.OrderAdjust takes over.
var adjustable = []string{
	"net after-sb-0pri", "net after-sb-1pri", "net after-sb-2pri", "net always-asbp", "net rr-conflict", "net ping-int",
	"net ping-timeout", "net timeout", "net ko-count", "net max-epoch-size", "net max-buffers",
	"disk resync-rate", "disk c-plan-ahead", "disk c-delay-target", "disk c-fill-target", "disk c-max-rate",
	"disk c-min-rate", "disk disk-timeout",
	"startup wfc-timeout", "startup degr-wfc-timeout", "startup outdated-wfc-timeout", "startup wait-after-sb",
	"startup become-primary-on", "options on-no-data-accessible",
}

// adjust reads drbd.conf again, and does what can be done about the changes
// while the resource runs. What is left is in the answer.
func (d *device) adjust(ctx context.Context) control.Answer {
	site, err := config.Load(d.node.site.Dir, d.node.site.Node)
	if err != nil {
		return control.Answer{Text: err.Error()}
	}
	at := slices.IndexFunc(site.Resources, func(r config.Resource) bool { return r.Conf.Name == d.conf.Conf.Name })
	if at < 0 {
		return control.Answer{Text: d.conf.Conf.Name + " is in drbd.conf no more: start polluxd again to let it go"}
	}
	running := d.conf.Conf
	if adjusted := d.adjusted.Load(); adjusted != nil {
		running = adjusted
	}
	now := site.Resources[at].Conf
	now.Engine = d.conf.Conf.Engine // which the command line may have said
	if d.foreign != nil {           // drbdadm finds out what has changed, and can take over all of it
		if err := d.foreign.write(now); err != nil {
			return control.Answer{Text: err.Error()}
		}
		d.adjusted.Store(now)
		return d.foreign.upOrDown(ctx, false)
	}
	var left []string
	for _, name := range running.Changes(now, site.Node) {
		if !slices.Contains(adjustable, name) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		return control.Answer{Text: "nothing was changed: these need a new start of polluxd: " + strings.Join(left, ", ")}
	}
	core := site.Machine(d.node.identity.Identity).Resources[at]
	data, err := core.Adjustment()
	if err != nil {
		return control.Answer{Text: err.Error()}
	}
	a := d.node.give(ctx, d.index, replica.Input{Order: replica.OrderAdjust, Data: data})
	if a.OK {
		d.adjusted.Store(now)
	}
	return a
}
