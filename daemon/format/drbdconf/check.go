package drbdconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// check refuses what the grammar allows but what cannot work, over all
// resources.
func (r *reader) check(c *Config) {
	used, waits := claims{}, waiting{resources: map[string]*Resource{}, done: map[place]bool{}}
	for i := range c.Resources {
		waits.resources[c.Resources[i].Name] = &c.Resources[i]
	}
	for i := range c.Resources {
		res := &c.Resources[i]
		r.checkHosts(res)
		r.checkNet(res)
		for h := range res.Hosts {
			r.checkClaims(used, res, &res.Hosts[h])
			for v := range res.Hosts[h].Volumes {
				r.checkVolume(&waits, res, &res.Hosts[h], &res.Hosts[h].Volumes[v])
			}
		}
	}
}

func (r *reader) checkHosts(res *Resource) {
	a, b := &res.Hosts[0], &res.Hosts[1]
	for _, name := range b.Names {
		if slices.Contains(a.Names, name) {
			r.fail(b.Pos, "on "+name+" twice in resource "+res.Name, "two different hosts")
		}
	}
	if len(a.Names) == 0 != (len(b.Names) == 0) {
		r.fail(b.Pos, fmt.Sprintf("%s beside %s in resource %s", b.label(), a.label(), res.Name), "both of one kind")
	}
	if a.Address.IPv6 != b.Address.IPv6 {
		r.fail(b.Pos, fmt.Sprintf("addresses %s and %s in resource %s", a.Address, b.Address, res.Name),
			"both ipv4 or both ipv6")
	}
	if a.Address.Port == b.Address.Port && sameIP(a.Address.IP, b.Address.IP) {
		r.fail(b.Pos, fmt.Sprintf("address %s on both hosts of resource %s", a.Address, res.Name), "two addresses")
	}
	known := append(slices.Clone(a.Names), b.Names...)
	if len(known) == 0 {
		return
	}
	for _, name := range res.Startup.BecomePrimaryOn {
		if name != "both" && !slices.Contains(known, name) {
			r.warn(res.Pos, "become-primary-on %s has no effect: resource %s is on %s", name, res.Name,
				strings.Join(known, ", "))
		}
	}
	if n := res.Net.DiscardNode; n != "" && !slices.Contains(known, n) {
		r.fail(res.Pos, fmt.Sprintf("after-sb-0pri discard-node-%s in resource %s", n, res.Name),
			"one of "+strings.Join(known, ", "))
	}
}

// checkNet refuses the combinations that the kernel refuses. Source:
// drbd.conf, section 4.
func (r *reader) checkNet(res *Resource) {
	n := &res.Net
	if n.AllowTwoPrimaries && n.Protocol != ProtocolC {
		r.fail(res.Pos, fmt.Sprintf("allow-two-primaries with protocol %s in resource %s", n.Protocol, res.Name),
			"protocol C")
	}
	if n.OnCongestion != Block && n.Protocol != ProtocolA {
		r.fail(res.Pos, fmt.Sprintf("on-congestion %s with protocol %s in resource %s",
			onCongestions.name(n.OnCongestion), n.Protocol, res.Name), "protocol A, or on-congestion block")
	}
	if slices.Contains(res.Startup.BecomePrimaryOn, "both") && !n.AllowTwoPrimaries {
		r.fail(res.Pos, "become-primary-on both without allow-two-primaries in resource "+res.Name, "allow-two-primaries")
	}
	if n.SharedSecret != "" && n.CramHMACAlg == "" {
		r.warn(res.Pos, "the shared-secret of resource %s is not used: cram-hmac-alg is not given", res.Name)
	}
	if n.CramHMACAlg != "" && n.SharedSecret == "" {
		r.warn(res.Pos, "cram-hmac-alg of resource %s proves nothing: shared-secret is not given", res.Name)
	}
}

// checkVolume looks at the options of one volume.
func (r *reader) checkVolume(waits *waiting, res *Resource, h *Host, v *Volume) {
	if v.Options.Fencing == ResourceAndStonith && res.Net.Protocol == ProtocolA {
		r.failOnce(res.Pos, "fencing resource-and-stonith with protocol A in resource "+res.Name, "protocol B or C")
	}
	if v.Options.Fencing != DontCare && res.Handlers["fence-peer"] == "" {
		r.warnOnce(res.Pos, fmt.Sprintf("fencing %s of resource %s has no handler fence-peer to call",
			fencings.name(v.Options.Fencing), res.Name))
	}
	if v.Options.OnIOError == CallLocalIOError && res.Handlers["local-io-error"] == "" {
		r.warnOnce(res.Pos, "on-io-error call-local-io-error of resource "+res.Name+" has no handler local-io-error to call")
	}
	after := v.Options.ResyncAfter
	if after.Resource == "" {
		return
	}
	at := fmt.Sprintf("resync-after %s in resource %s", after, res.Name)
	target, ok := waits.resources[after.Resource]
	if !ok {
		r.failOnce(res.Pos, at, "the name of a resource of this configuration")
		return
	}
	if _, ok := target.Hosts[0].Volume(after.Volume); !ok {
		r.failOnce(res.Pos, at, fmt.Sprintf("a volume that resource %s has", target.Name))
		return
	}
	if counterpart(target, h) == nil {
		r.warnOnce(res.Pos, fmt.Sprintf("%s has no effect %s, where resource %s is not", at, h.label(), target.Name))
	}
	if waits.inCircle(h, v) {
		r.failOnce(res.Pos, at, "no circle of resources that wait for each other")
	}
}

// counterpart is the side of res that is the same machine as h.
func counterpart(res *Resource, h *Host) *Host {
	for i := range res.Hosts {
		if slices.Equal(h.names(), res.Hosts[i].names()) || slices.ContainsFunc(h.Names, res.Hosts[i].Is) {
			return &res.Hosts[i]
		}
	}
	return nil
}

// names are what a host is known by: its names, or its address.
func (h *Host) names() []string {
	if len(h.Names) == 0 {
		return []string{h.Address.IP}
	}
	return h.Names
}

// waiting knows which volume waits for which.
type waiting struct {
	resources map[string]*Resource
	done      map[place]bool // volumes whose chain has been followed already
}

// A place is one volume on one host.
type place struct {
	host   *Host
	volume uint16
}

// inCircle follows resync-after on one machine from a volume on. In a circle
// no resync would ever begin. Each circle is found once.
func (w *waiting) inCircle(h *Host, v *Volume) bool {
	chain := map[place]bool{}
	defer func() { maps.Copy(w.done, chain) }()
	for at := (place{h, v.Number}); !w.done[at]; at = (place{h, v.Number}) {
		if chain[at] {
			return true
		}
		chain[at] = true
		target, ok := w.resources[v.Options.ResyncAfter.Resource]
		if !ok {
			return false
		}
		if h = counterpart(target, h); h == nil {
			return false
		}
		if v, ok = h.Volume(v.Options.ResyncAfter.Volume); !ok {
			return false
		}
	}
	return false
}

// failOnce and warnOnce say a thing once that holds for several volumes.
func (r *reader) failOnce(pos Pos, found, want string) {
	text := (&Error{Pos: pos, Found: found, Want: want}).Error()
	if !slices.ContainsFunc(r.errs, func(e error) bool { return e.Error() == text }) {
		r.fail(pos, found, want)
	}
}

func (r *reader) warnOnce(pos Pos, text string) {
	w := Warning{Pos: pos, Text: text}
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// claims are the things that only one resource can have on a host, and where
// they were claimed first.
type claims map[string]Pos

func (r *reader) checkClaims(used claims, res *Resource, h *Host) {
	for _, name := range h.names() {
		claim := func(what string) {
			key := name + " " + what
			if first, taken := used[key]; taken {
				r.failOnce(h.Pos, fmt.Sprintf("%s of %s twice", what, name), "one use: the first is at "+first.String())
				return
			}
			used[key] = h.Pos
		}
		claim("address " + h.Address.key())
		for _, v := range h.Volumes {
			claim(fmt.Sprintf("minor %d", v.Minor))
			claim("device " + v.Device)
			if v.Disk != "" {
				claim("disk " + v.Disk)
			}
			if v.Meta.Kind != MetaInternal {
				claim("meta-disk " + v.Meta.String())
			}
		}
	}
	for _, n := range res.IgnoreOn {
		if h.Is(n) {
			r.warn(h.Pos, "resource %s is ignored on %s, which is one of its two hosts", res.Name, n)
		}
	}
}

// key is the address in one spelling.
func (a Address) key() string {
	if ip, ok := parseIPv6(a.IP); ok {
		_, zone, _ := strings.Cut(a.IP, "%")
		return fmt.Sprintf("[%x%%%s]:%d", ip, zone, a.Port)
	}
	return a.String()
}
