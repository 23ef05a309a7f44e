// Package xen starts and stops the guests whose configurations lie in one
// directory, by means of xl.
//
// A guest's file may say more than xl asks of it:
//
//	pollux_order = 10      guests with a lower number start before; 100 if it says none
//	pollux_shutdown = 300  seconds to shut down before it is destroyed; 0: at once
//	pollux_move = "save"   its memory goes with it, on the volume pollux_image
//
// A guest counts as running for as long as Xen has a domain of its name,
// whatever that domain does: a paused, crashed or half shut down domain still
// holds its disks. Domains that are configured elsewhere are left alone.
package xen

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// DefaultDir is where the guests are configured that move between the nodes.
const DefaultDir = "/etc/xen/ha.d"

// DefaultPatience is how long guests have to shut down before they are
// destroyed.
const DefaultPatience = 2 * time.Minute

// Guests are the guests of one directory. It keeps no state; a restarted daemon
// reads the directory and asks Xen.
type Guests struct {
	// Dir holds one file in the format of xl.cfg(5) for each guest; "" is
	// DefaultDir. They start in the order of pollux_order and of the files' names,
	// and stop in the reverse order.
	Dir string
	// Files are the guests' files, if they are not those of Dir.
	Files []string
	// AtOnce is how many guests of the same pollux_order are started at the same
	// time; 0 is one.
	AtOnce int
	// Patience is how long a guest has to shut down whose file has no
	// pollux_shutdown; 0 is DefaultPatience.
	Patience time.Duration
	// hurry is when whoever is left is destroyed, whatever its file says; zero is
	// never.
	hurry time.Time
	// Displaced make room for these guests when they are started; nil is nobody.
	Displaced *Displaced
	// XLConf is the file of xl; "" is DefaultXLConf.
	XLConf string
	// Warn hears what went wrong, and was made up for; nil is nobody.
	Warn func(error)
	// Seen is shared by all Guests of a node; nil remembers nothing.
	Seen *Seen
	// Run is command.Exec; a func in tests.
	Run command.Runner
}

// Status compares the configured guests with what Xen runs: Running if any of
// them exists, Stopped if none does. The text names those that are not well.
// An error comes with Unknown.
func (g Guests) Status(ctx context.Context) (failover.State, string, error) {
	guests, domains, err := g.look(ctx)
	if err != nil {
		return failover.Unknown, err.Error(), fmt.Errorf("status of the guests of %s: %w", g.dir(), err)
	}
	if len(guests) == 0 {
		return failover.Stopped, "no guests are configured in " + g.dir(), nil
	}
	g.spoil(ctx, guests, domains)
	var well, notes []string
	exist := 0
	for _, guest := range guests {
		d, ok := domains[guest.name]
		if ok {
			exist++
		}
		switch trouble := d.trouble(); {
		case !ok:
			notes = append(notes, guest.name+" does not run")
		case trouble != "":
			notes = append(notes, guest.name+" "+trouble)
		default:
			well = append(well, guest.name)
		}
	}
	if exist == 0 {
		return failover.Stopped, fmt.Sprintf("%d guests, none runs", len(guests)), nil
	}
	for _, guest := range guests {
		notes = append(notes, guest.mistakes...)
	}
	if len(well) > 0 {
		notes = append([]string{strings.Join(well, ", ") + " running"}, notes...)
	}
	return failover.Running, strings.Join(notes, "; "), nil
}

// Monitor is Stopped if a guest does not run, has crashed or was shut down, or is
// paused: Start mends that, and touches no other guest.
func (g Guests) Monitor(ctx context.Context) (failover.State, string, error) {
	guests, domains, err := g.look(ctx)
	if err != nil {
		return failover.Unknown, err.Error(), fmt.Errorf("monitor the guests of %s: %w", g.dir(), err)
	}
	g.spoil(ctx, guests, domains)
	var notes []string
	for _, guest := range guests {
		d, ok := domains[guest.name]
		switch trouble := d.trouble(); {
		case !ok:
			notes = append(notes, guest.name+" does not run")
		case trouble == "is dying":
			// It is on its way out or into a reboot; the next look will tell.
		case trouble != "":
			notes = append(notes, guest.name+" "+trouble)
		}
	}
	if len(notes) > 0 {
		return failover.Stopped, strings.Join(notes, "; "), nil
	}
	return failover.Running, fmt.Sprintf("%d guests run", len(guests)), nil
}

// look reads the configurations and asks Xen.
func (g Guests) look(ctx context.Context) ([]guest, map[string]domain, error) {
	guests, err := g.configured()
	if err != nil {
		return nil, nil, err
	}
	domains, err := g.domains(ctx)
	return guests, domains, err
}

func (g Guests) dir() string {
	if g.Dir == "" {
		return DefaultDir
	}
	return g.Dir
}
