package drbdconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// finish makes a Config of all that was read: common goes into the resources,
// old words get their meaning, and the whole is checked.
func (r *reader) finish() *Config {
	c := &Config{Global: r.global}
	common := r.common
	if common == nil {
		common = &body{}
	}
	for _, b := range r.resources {
		if r.oldGlobal {
			b.writtenFor(drbd07)
		}
		b.writtenFor(common.dialect)
		r.joinLinks(b)
		res, ok := r.resourceOf(b, common)
		if ok {
			c.Resources = append(c.Resources, res)
		}
	}
	if len(r.errs) > 0 {
		return nil // half a resource would only look like more mistakes
	}
	r.chainGroups(c)
	for i := range c.Resources {
		r.otherDefaults(&c.Resources[i], r.resources[i].dialect)
	}
	r.check(c)
	c.Warnings = r.warnings
	return c
}

// resourceOf makes a Resource of one section.
func (r *reader) resourceOf(b, common *body) (res Resource, ok bool) {
	res = Resource{Name: b.name, Handlers: map[string]string{}, InconDegrCmd: b.inconDegr, IgnoreOn: b.ignoreOn, Pos: b.pos}
	for _, engine := range []*Engine{common.engine, b.engine} {
		if engine != nil {
			res.Engine = *engine
		}
	}
	res.Net, res.given.net = build(netSection, common.net, b.net, b.linkNet)
	res.Disk, res.given.disk = build(diskSection, common.disk, b.disk, b.linkDisk)
	res.Startup, res.given.startup = build(startupSection, common.startup, b.startup)
	res.Options, res.given.options = build(resourceSection, common.options, b.options)
	apply(handlerSection, &res.Handlers, common.handlers, b.handlers)
	if len(b.hosts) != len(res.Hosts) {
		at := b.pos
		if len(b.hosts) > len(res.Hosts) {
			at = b.hosts[len(res.Hosts)].pos
		}
		r.fail(at, fmt.Sprintf("resource %s with %s", b.name, plural(len(b.hosts), "host")), "two: 'on' or 'floating'")
		return res, false
	}
	before := len(r.errs)
	for i, h := range b.hosts {
		res.Hosts[i] = r.hostOf(b, h, &res)
	}
	r.sameVolumes(b, &res)
	return res, len(r.errs) == before
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// hostOf makes a Host of one on or floating section and of what it inherits.
func (r *reader) hostOf(b *body, h *hostBody, res *Resource) Host {
	host := Host{Names: h.names, Options: res.Options, Pos: h.pos}
	apply(resourceSection, &host.Options, h.options)
	if h.address == nil {
		r.fail(h.pos, fmt.Sprintf("%s of resource %s without an address", h.label(), b.name), "address IP:PORT;")
	} else {
		host.Address = *h.address
	}
	if first, mixed := mixedVolumes(b.volumes, h.volumes); mixed {
		r.fail(first, fmt.Sprintf("%s of resource %s with and without volume sections", h.label(), b.name),
			"all its devices in volume sections, or none")
		return host
	}
	all := numbers(b.volumes, h.volumes)
	if len(all) == 0 {
		r.fail(h.pos, fmt.Sprintf("%s of resource %s without a device", h.label(), b.name), "device, disk and meta-disk")
	}
	for _, n := range all {
		host.Volumes = append(host.Volumes, r.volumeOf(b, h, n, res))
	}
	return host
}

// mixedVolumes finds a statement that means volume 0 beside volume sections.
func mixedVolumes(sets ...volumeSet) (at Pos, mixed bool) {
	bare, numbered := false, false
	for _, set := range sets {
		for _, v := range set {
			if v.bare {
				at = v.pos
			}
			bare, numbered = bare || v.bare, numbered || !v.bare
		}
	}
	return at, bare && numbered
}

// volumeOf makes a Volume of what a host and its resource say about it, the
// host's word first.
func (r *reader) volumeOf(b *body, h *hostBody, n uint16, res *Resource) Volume {
	v := Volume{Number: n, Options: res.Disk}
	var has struct{ device, disk, meta bool }
	at := h.pos
	for _, from := range []*volumeBody{b.volumes.get(n), h.volumes.get(n)} {
		if from == nil {
			continue
		}
		at = from.pos
		if from.device != nil {
			v.Device, v.Minor, has.device = from.device.path, from.device.minor, true
		}
		if from.disk != nil {
			v.Disk, has.disk = *from.disk, true
		}
		if from.meta != nil {
			v.Meta, has.meta = *from.meta, true
		}
		apply(diskSection, &v.Options, from.options)
	}
	apply(diskSection, &v.Options, b.linkVolumes[n])
	var missing []string
	for _, x := range []struct {
		name string
		has  bool
	}{{"device", has.device}, {"disk", has.disk}, {"meta-disk", has.meta}} {
		if !x.has {
			missing = append(missing, x.name)
		}
	}
	if len(missing) > 0 && len(r.errs) == 0 { // a wrong device is not a missing one
		r.fail(at, fmt.Sprintf("volume %d of %s in resource %s without %s", n, h.label(), b.name,
			strings.Join(missing, ", ")), "device, disk and meta-disk for every volume")
	}
	return v
}

// sameVolumes checks that both hosts have the same volumes.
func (r *reader) sameVolumes(b *body, res *Resource) {
	for i := range res.Hosts {
		mine, theirs := &res.Hosts[i], &res.Hosts[1-i]
		for _, v := range mine.Volumes {
			if _, both := theirs.Volume(v.Number); !both && len(theirs.Volumes) > 0 {
				r.fail(b.hosts[1-i].pos, fmt.Sprintf("%s of resource %s without volume %d", b.hosts[1-i].label(), b.name,
					v.Number), "it on both hosts")
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(b.linkVolumes)) {
		if _, ok := res.Hosts[0].Volume(n); !ok {
			r.fail(b.pos, fmt.Sprintf("connection of resource %s with volume %d", b.name, n), "a volume of the hosts")
		}
	}
}

// chainGroups turns the syncer groups of DRBD 0.7, where lower groups resync
// first, into resync-after: each group waits for a resource of the next lower
// one.
func (r *reader) chainGroups(c *Config) {
	if !slices.ContainsFunc(r.resources, func(b *body) bool { return b.group != nil }) {
		return
	}
	group := func(i int) int {
		if g := r.resources[i].group; g != nil {
			return g.number
		}
		return 0
	}
	for i := range c.Resources {
		first := -1
		for j := range c.Resources {
			if group(j) < group(i) && (first < 0 || group(j) > group(first)) {
				first = j
			}
		}
		r.chain(c, i, first)
	}
}

// chain makes resource i wait for resource first, or for none.
func (r *reader) chain(c *Config, i, first int) {
	res, g := &c.Resources[i], r.resources[i].group
	switch {
	case g == nil:
		return // the default group 0 is the lowest
	case first < 0:
		r.warn(g.pos, "syncer group %d is ignored: no resource has a lower one", g.number)
		return
	case res.Disk.ResyncAfter.Resource != "":
		r.warn(g.pos, "syncer group %d is ignored: resync-after is given", g.number)
		return
	}
	before := &c.Resources[first]
	after := ResyncAfter{Resource: before.Name, Volume: before.Hosts[0].Volumes[0].Number}
	r.warn(g.pos, "syncer group %d is read as disk { resync-after %s; }", g.number, after)
	res.given.disk |= apply(diskSection, &res.Disk, layer{{name: "resync-after", value: after.String()}})
	for h := range res.Hosts {
		for v := range res.Hosts[h].Volumes {
			if o := &res.Hosts[h].Volumes[v].Options; o.ResyncAfter.Resource == "" {
				o.ResyncAfter = after
			}
		}
	}
}

// oldDefaults are the defaults of older versions that differ from today's.
// Source: drbd.conf, section 5.
var oldDefaults = map[dialect][]struct{ section, name, value string }{
	drbd83: {
		{"disk", "on-io-error", "pass_on"},
		{"disk", "al-extents", "127"},
		{"disk", "c-plan-ahead", "0"},
		{"disk", "c-fill-target", "0"},
		{"disk", "c-min-rate", "4096"},
		{"net", "ko-count", "0"},
		{"net", "use-rle", "no"},
	},
	drbd07: {
		{"disk", "on-io-error", "pass_on"},
		{"disk", "al-extents", "127"},
		{"disk", "c-plan-ahead", "0"},
		{"net", "sndbuf-size", "131070"},
		{"net", "ko-count", "0"},
		{"startup", "degr-wfc-timeout", "60"},
	},
}

// otherDefaults warns of what an old file leaves to defaults that have
// changed since.
func (r *reader) otherDefaults(res *Resource, d dialect) {
	var changed []string
	for _, o := range oldDefaults[d] {
		var given bool
		var today string
		switch o.section {
		case "disk":
			given, today = isGiven(diskSection, res.given.disk, &res.Disk, o.name)
		case "net":
			given, today = isGiven(netSection, res.given.net, &res.Net, o.name)
		case "startup":
			given, today = isGiven(startupSection, res.given.startup, &res.Startup, o.name)
		}
		if !given {
			changed = append(changed, fmt.Sprintf("%s is %s (was %s)", o.name, today, o.value))
		}
	}
	name := map[dialect]string{drbd83: "DRBD 8.3 or older", drbd07: "DRBD 0.7"}[d]
	if len(changed) > 0 {
		r.warn(res.Pos, "resource %s was written for %s, whose defaults were different: %s", res.Name, name,
			strings.Join(changed, ", "))
	}
	if d == drbd07 && res.usesInternalMeta() {
		r.warn(res.Pos, "resource %s: DRBD 0.7 kept meta-disk internal in the last 128 MiB of the disk, today it is "+
			"smaller and elsewhere: metadata of 0.7 must be converted", res.Name)
	}
}

func (r *Resource) usesInternalMeta() bool {
	for _, h := range r.Hosts {
		if slices.ContainsFunc(h.Volumes, func(v Volume) bool { return v.Meta.Kind == MetaInternal }) {
			return true
		}
	}
	return false
}

// isGiven says whether the files set an option, and its value.
func isGiven[T any](s *section[T], bits uint64, t *T, name string) (given bool, value string) {
	for i, o := range s.options {
		if o.name == name {
			return bits&(1<<i) != 0, o.show(t)
		}
	}
	return false, ""
}
