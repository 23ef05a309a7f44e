// Package xen starts and stops the guests whose configurations lie in one
// directory, by means of xl.
//
// A guest counts as running for as long as Xen has a domain of its name,
// whatever that domain does: a paused, crashed or half shut down domain still
// holds its disks. Domains that are configured elsewhere are left alone.
package xen

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	// DefaultDir. They start in the order of the files' names, and stop in
	// the reverse order.
	Dir string
	// Patience is how long the guests have to shut down; 0 is DefaultPatience.
	Patience time.Duration
	// Run is command.Exec; a func in tests.
	Run command.Runner
}

// A guest is one configured guest.
type guest struct {
	name string
	file string
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

// nameLine is the line of a configuration that names the guest. Source:
// xl.cfg(5).
var nameLine = regexp.MustCompile(`(?m)^[ \t]*name[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)')`)

// configured reads the guests' names from the directory. A directory that can't
// be read is an error: there may be guests in it.
func (g Guests) configured() ([]guest, error) {
	entries, err := os.ReadDir(g.dir())
	if err != nil {
		return nil, fmt.Errorf("read the guests' configurations: %w", err)
	}
	var guests []guest
	for _, entry := range entries {
		file := filepath.Join(g.dir(), entry.Name())
		if leftover(entry.Name()) {
			continue
		}
		if info, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read a guest's configuration: %w", err)
		} else if !info.Mode().IsRegular() {
			continue
		}
		name, err := nameIn(file)
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(guests, func(g guest) bool { return g.name == name }); at >= 0 {
			return nil, fmt.Errorf("%s and %s both configure the guest %q", guests[at].file, file, name)
		}
		guests = append(guests, guest{name: name, file: file})
	}
	return guests, nil
}

// leftover says that a file of that name was left by an editor or a package
// manager, or is hidden.
func leftover(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.EqualFold(name, "README") {
		return true
	}
	return slices.ContainsFunc([]string{
		"~", ".bak", ".orig", ".rej", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmnew", ".rpmsave", ".disabled",
	}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

func nameIn(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read a guest's configuration: %w", err)
	}
	found := nameLine.FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		return "", fmt.Errorf(`%s names no guest: want a line like name = "web1"`, file)
	}
	// Of two settings of the same name xl uses the last.
	last := found[len(found)-1]
	name := last[1] + last[2]
	if name == "" || strings.ContainsAny(name, " \t/") {
		return "", fmt.Errorf("%s: %q is no name of a guest", file, name)
	}
	return name, nil
}
