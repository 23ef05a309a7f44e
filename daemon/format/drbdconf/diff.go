package drbdconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Difference names the first thing in which the peer's section of a resource
// differs from this node's, or is empty if both say the same. Hosts are
// compared by name, in any order; where the files lie and which options they
// leave to defaults does not matter. A secret is never shown.
func Difference(mine, theirs *Resource) string {
	if mine.Name != theirs.Name {
		return differs("resource", mine.Name, theirs.Name)
	}
	if d := diffHosts(mine, theirs); d != "" {
		return d
	}
	if a, b := sortedList(mine.IgnoreOn), sortedList(theirs.IgnoreOn); a != b {
		return differs("ignore-on", a, b)
	}
	return firstOf(
		diffSection(netSection, &mine.Net, &theirs.Net),
		diffSection(diskSection, &mine.Disk, &theirs.Disk),
		diffSection(startupSection, &mine.Startup, &theirs.Startup),
		diffSection(resourceSection, &mine.Options, &theirs.Options),
		diffSection(handlerSection, &mine.Handlers, &theirs.Handlers),
	)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func differs(what, here, there string) string {
	return fmt.Sprintf("%s: %s here, %s there", what, orNone(here), orNone(there))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func sortedList(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

func diffHosts(mine, theirs *Resource) string {
	for i := range mine.Hosts {
		h := &mine.Hosts[i]
		j := slices.IndexFunc(theirs.Hosts[:], func(o Host) bool {
			return slices.Equal(slices.Sorted(slices.Values(h.names())), slices.Sorted(slices.Values(o.names())))
		})
		if j < 0 {
			other := make([]string, 0, len(theirs.Hosts))
			for k := range theirs.Hosts {
				other = append(other, theirs.Hosts[k].label())
			}
			return differs("hosts", h.label(), strings.Join(other, " and "))
		}
		if d := diffHost(h, &theirs.Hosts[j]); d != "" {
			return h.label() + ": " + d
		}
	}
	return ""
}

func diffHost(mine, theirs *Host) string {
	if mine.Address.key() != theirs.Address.key() {
		return differs("address", mine.Address.String(), theirs.Address.String())
	}
	if a, b := volumeList(mine), volumeList(theirs); a != b {
		return differs("volumes", a, b)
	}
	for i := range mine.Volumes {
		m, t := &mine.Volumes[i], &theirs.Volumes[i]
		at := fmt.Sprintf("volume %d: ", m.Number)
		switch {
		case m.Device != t.Device || m.Minor != t.Minor:
			return at + differs("device", fmt.Sprintf("%s minor %d", m.Device, m.Minor),
				fmt.Sprintf("%s minor %d", t.Device, t.Minor))
		case m.Disk != t.Disk:
			return at + differs("disk", m.Disk, t.Disk)
		case m.Meta != t.Meta:
			return at + differs("meta-disk", m.Meta.String(), t.Meta.String())
		}
		if d := diffSection(diskSection, &m.Options, &t.Options); d != "" {
			return at + d
		}
	}
	return diffSection(resourceSection, &mine.Options, &theirs.Options)
}

func volumeList(h *Host) string {
	numbers := make([]string, len(h.Volumes))
	for i, v := range h.Volumes {
		numbers[i] = strconv.Itoa(int(v.Number))
	}
	return strings.Join(numbers, ", ")
}

func diffSection[T any](s *section[T], mine, theirs *T) string {
	for _, o := range s.options {
		a, b := o.show(mine), o.show(theirs)
		switch {
		case a == b:
		case o.secret:
			return s.name + ": " + o.name + " is not the same"
		default:
			return s.name + ": " + differs(o.name, a, b)
		}
	}
	return ""
}
