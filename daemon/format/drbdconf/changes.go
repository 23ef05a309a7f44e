package drbdconf

import "slices"

// Changes names what another version of a resource says differently about a
// host: options as "net ping-int", and "hosts" for what is about devices,
// disks and addresses.
func (r *Resource) Changes(to *Resource, host string) []string {
	own, ok := r.Host(host)
	other, found := to.Host(host)
	if !ok || !found || !sameHosts(r, to) {
		return []string{"hosts"}
	}
	names := slices.Concat(
		changed(netSection, &r.Net, &to.Net), changed(startupSection, &r.Startup, &to.Startup),
		changed(handlerSection, &r.Handlers, &to.Handlers), changed(resourceSection, &own.Options, &other.Options))
	for i := range own.Volumes {
		names = append(names, changed(diskSection, &own.Volumes[i].Options, &other.Volumes[i].Options)...)
	}
	if r.Engine != to.Engine {
		names = append(names, "engine")
	}
	return names
}

func sameHosts(a, b *Resource) bool {
	for i := range a.Hosts {
		h, o := &a.Hosts[i], &b.Hosts[i]
		if !slices.Equal(h.Names, o.Names) || h.Address != o.Address || len(h.Volumes) != len(o.Volumes) {
			return false
		}
		for j := range h.Volumes {
			v, w := h.Volumes[j], o.Volumes[j]
			if v.Number != w.Number || v.Device != w.Device || v.Minor != w.Minor || v.Disk != w.Disk || v.Meta != w.Meta {
				return false
			}
		}
	}
	return true
}

func changed[T any](s *section[T], from, to *T) (names []string) {
	for _, o := range s.options {
		if o.show(from) != o.show(to) {
			names = append(names, s.name+" "+o.name)
		}
	}
	return names
}
