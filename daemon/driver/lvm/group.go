// Package lvm looks at volume groups on replicated devices, and makes them
// active and inactive.
//
// LVM finds volume groups by reading disks, and the replicated device and the
// disk below it hold the same bytes. So each LVM program gets a filter on its
// command line that lets it see nothing but the replicated device: whatever
// lvm.conf says, a group is never activated on the disk below.
package lvm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// How long LVM may take. Deactivating an open volume is retried by LVM itself
// for about six seconds.
const (
	askLimit    = 30 * time.Second
	changeLimit = 90 * time.Second
)

// Group is a volume group on replicated devices: active where the guests run,
// inactive everywhere else. It keeps no state; a restarted daemon asks LVM.
type Group struct {
	// Name is the group's name, as in vgs.
	Name string
	// Devices are the replicated devices on which the group is looked for, by
	// absolute path. What a symbolic link points to is looked at too. There
	// must be at least one.
	Devices []string
	// Below are the disks below these devices, which have the same bytes.
	Below []Below
	// Others are the devices of other resources, which may have a copy.
	Others []string
	// Run is command.Exec; a func in tests.
	Run command.Runner
	// Root is where /sys and /proc are; "" is "/".
	Root string
}

// Status asks LVM, and when LVM does not see the group, the kernel. The text
// says what was seen. An error comes with Unknown.
func (g Group) Status(ctx context.Context) (failover.State, string, error) {
	volumes, err := g.volumes(ctx)
	if err != nil {
		return failover.Unknown, err.Error(), fmt.Errorf("status of volume group %s: %w", g.Name, err)
	}
	if len(volumes) == 0 {
		return g.unseen()
	}
	var active, inactive, strayed []string
	for _, v := range volumes {
		switch at := g.strayed(v); {
		case v.unclear():
			err := fmt.Errorf("lvs shows the attributes %q for %s", v.Attr, v.Name)
			return failover.Unknown, err.Error(), fmt.Errorf("status of volume group %s: %w", g.Name, err)
		case at != "":
			inactive, strayed = append(inactive, v.Name), append(strayed, v.Name+" on "+at)
		case v.active():
			active = append(active, v.Name)
		default:
			inactive = append(inactive, v.Name)
		}
	}
	switch {
	case len(strayed) > 0 && len(active) == 0:
		return failover.Stopped, "active, but not here: " + strings.Join(strayed, ", "), nil
	case len(active) == 0:
		return failover.Stopped, fmt.Sprintf("%d logical volumes, none active", len(inactive)), nil
	case len(inactive) == 0:
		return failover.Running, fmt.Sprintf("%d logical volumes, all active", len(active)), nil
	default:
		return failover.Running, "active are only " + strings.Join(active, ", "), nil
	}
}

// unseen is the status of a group that LVM does not find, or finds empty. The
// kernel can still hold volumes whose device was lost.
func (g Group) unseen() (failover.State, string, error) {
	left, strayed, err := g.mapped()
	switch {
	case err != nil:
		return failover.Unknown, err.Error(), fmt.Errorf("status of volume group %s: %w", g.Name, err)
	case len(left) > 0:
		return failover.Running, "the device is lost, but the kernel still has " + strings.Join(left, ", "), nil
	case len(strayed) > 0:
		return failover.Stopped, fmt.Sprintf("no logical volumes seen on %s, but %s", strings.Join(g.Devices, ", "),
			strings.Join(strayed, ", ")), nil
	default:
		return failover.Stopped, fmt.Sprintf("no logical volumes seen on %s", strings.Join(g.Devices, ", ")), nil
	}
}

// Scan makes LVM look for the group, which it may have last seen before the
// other node changed it. It fails if the group is not there, and if there are
// two.
func (g Group) Scan(ctx context.Context) error {
	out, err := g.lvm(ctx, askLimit, "vgscan")
	if err != nil {
		return fmt.Errorf("look for volume group %s: %w", g.Name, err)
	}
	found, err := g.physical(ctx)
	if err != nil {
		return fmt.Errorf("look for volume group %s: %w", g.Name, err)
	}
	if err := g.unique(found); err != nil {
		return fmt.Errorf("look for volume group %s: %w", g.Name, err)
	}
	if !strings.Contains(string(out.Stdout), fmt.Sprintf("volume group %q", g.Name)) {
		return fmt.Errorf("look for volume group %s: %w", g.Name, g.notFound(found, strings.TrimSpace(string(out.Stdout))))
	}
	return nil
}

// Activate makes all logical volumes usable, apart from those that are marked
// to be skipped, and looks whether they are, on the group's devices. It is
// refused while the group is active on a disk below.
//
// The activation is exclusive, which is a matter of LVM only where it has locks;
// what else it is made of: the other node's device can't be opened, and here
// nothing but this command has to be able to activate the group.
func (g Group) Activate(ctx context.Context) error {
	for _, b := range g.Below {
		if err := b.Held(g.root()); err != nil {
			return fmt.Errorf("activate volume group %s: %w", g.Name, err)
		}
	}
	if err := g.dropGivenUp(ctx); err != nil {
		return fmt.Errorf("activate volume group %s: %w", g.Name, err)
	}
	_, changed := g.lvm(ctx, changeLimit, "vgchange", "-aey", g.Name)
	volumes, err := g.volumes(ctx)
	switch {
	case changed != nil:
		return fmt.Errorf("activate volume group %s: %w", g.Name, changed)
	case err != nil:
		return fmt.Errorf("activate volume group %s: look at it afterwards: %w", g.Name, err)
	case len(volumes) == 0:
		return fmt.Errorf("activate volume group %s: it has no logical volumes; make one with lvcreate", g.Name)
	}
	for _, v := range volumes {
		if at := g.strayed(v); at != "" {
			return fmt.Errorf("activate volume group %s: %s is active already, on %s: two groups of one name, or a copy of this one; "+
				"that one has to be made inactive first", g.Name, v.Name, at)
		}
		if !v.skipped() && !v.active() {
			return fmt.Errorf("activate volume group %s: vgchange succeeded, but %s is not active (%s)",
				g.Name, v.Name, v.Attr)
		}
	}
	return nil
}

// dropGivenUp takes volumes out of the kernel that stand on a device which was given up. LVM, which goes by identifiers,
// would take the group for active.
func (g Group) dropGivenUp(ctx context.Context) error {
	volumes, err := g.volumes(ctx)
	if err != nil || !slices.ContainsFunc(volumes, func(v volume) bool { return v.active() && g.onGivenUp("dm-"+v.Minor) }) {
		return err
	}
	if _, err := g.lvm(ctx, changeLimit, "vgchange", "-an", g.Name); err != nil {
		return fmt.Errorf("it is still active on a device that was given up: %w", g.inUse(ctx, err))
	}
	return nil
}

// Deactivate makes the group unusable on this node and looks whether it is.
// Volumes that somebody uses make it fail; the error says who.
func (g Group) Deactivate(ctx context.Context) error {
	if left, strayed, err := g.mapped(); err == nil && len(left) == 0 && len(strayed) > 0 {
		return nil // vgchange goes by identifiers, and would take those of a copy
	}
	_, changed := g.lvm(ctx, changeLimit, "vgchange", "-an", g.Name)
	if changed != nil {
		changed = errors.Join(changed, g.remove(ctx))
	}
	state, text, err := g.Status(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("deactivate volume group %s: %w", g.Name, errors.Join(changed, err))
	case state == failover.Stopped:
		return nil
	case changed == nil:
		changed = fmt.Errorf("vgchange succeeded, but afterwards: %s", text)
	}
	return fmt.Errorf("deactivate volume group %s: %w", g.Name, g.inUse(ctx, changed))
}

// inUse adds to an error who uses the group's volumes.
func (g Group) inUse(ctx context.Context, err error) error {
	if users := g.users(ctx); len(users) > 0 {
		return fmt.Errorf("%w: in use: %s", err, strings.Join(users, "; "))
	}
	return err
}

// remove takes volumes out of the kernel whose device LVM can't read any
// more. Unlike vgchange it is used only when LVM does not see the group.
func (g Group) remove(ctx context.Context) error {
	volumes, err := g.volumes(ctx)
	if err != nil || len(volumes) > 0 {
		return err
	}
	left, _, err := g.mapped()
	if err != nil {
		return err
	}
	for _, name := range left {
		_, failed := g.Run(ctx, command.Program{Name: "dmsetup", Args: []string{"remove", name}, Limit: askLimit})
		err = errors.Join(err, failed)
	}
	return err
}

// Start is Scan, then Activate.
func (g Group) Start(ctx context.Context) error {
	if err := g.Scan(ctx); err != nil {
		return err
	}
	return g.Activate(ctx)
}

// Stop is Deactivate.
func (g Group) Stop(ctx context.Context) error { return g.Deactivate(ctx) }

// lvm runs an LVM program that sees the group's devices only.
func (g Group) lvm(ctx context.Context, limit time.Duration, name string, args ...string) (command.Result, error) {
	if err := checkName(g.Name); err != nil {
		return command.Result{Code: -1}, err
	}
	config, err := scope(g.Devices)
	if err != nil {
		return command.Result{Code: -1}, err
	}
	// Who keeps all others from the group by volume_list does not mean pollux.
	config += fmt.Sprintf(" activation{volume_list=[%q]}", g.Name)
	args = append([]string{"--config", config}, args...)
	return g.Run(ctx, command.Program{Name: name, Args: args, Limit: limit})
}

const (
	lettersAndDigits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	nameCharacters   = lettersAndDigits + "+_.-"
	pathCharacters   = lettersAndDigits + "+_.-/:"
)

func checkName(name string) error {
	if name == "" || name[0] == '-' || strings.Trim(name, ".") == "" || strings.Trim(name, nameCharacters) != "" {
		return fmt.Errorf("%q is no name of a volume group: want letters, digits and + _ . -", name)
	}
	return nil
}

// scope is an LVM configuration in which there are no devices but these.
func scope(devices []string) (string, error) {
	if len(devices) == 0 {
		return "", errors.New("no device is named: LVM would look at all disks")
	}
	var names []string
	for _, device := range devices {
		names = append(names, device)
		// LVM compares names as the kernel and udev know them, and neither
		// need know a link that this daemon made.
		if target, err := filepath.EvalSymlinks(device); err == nil {
			names = append(names, target)
		}
	}
	slices.Sort(names)
	var patterns []string
	for _, name := range slices.Compact(names) {
		if !strings.HasPrefix(name, "/") || strings.Trim(name, pathCharacters) != "" {
			return "", fmt.Errorf("device %q: want an absolute path of letters, digits and any of +_.-/: only", name)
		}
		patterns = append(patterns, `"a|^`+plain(name)+`$|"`)
	}
	filter := "[" + strings.Join(append(patterns, `"r|.*|"`), ",") + "]"
	// With hints LVM reads only disks on which it has seen volumes before, as long
	// as there are no disks of other names: a group that has come by replication
	// would not be found, or not all of it.
	return "devices{filter=" + filter + " global_filter=" + filter + ` use_devicesfile=0 hints="none"}`, nil
}

// plain is a path as a pattern that matches nothing else.
func plain(path string) string { return strings.NewReplacer(".", "[.]", "+", "[+]").Replace(path) }
