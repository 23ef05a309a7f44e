package drbdconf

import (
	"strconv"
	"strings"
)

// afterSB0 is the choice that may also name a host.
func afterSB0() option[NetOptions] {
	const node = "discard-node-"
	o := choice("after-sb-0pri", afterSB0s, ASBDisconnect, func(n *NetOptions) *AfterSB { return &n.AfterSB0Pri })
	plain := o
	o.set = func(n *NetOptions, value string) string {
		n.DiscardNode = ""
		if host, ok := strings.CutPrefix(value, node); ok && isName(host) {
			n.AfterSB0Pri, n.DiscardNode = ASBDiscardNode, host
			return ""
		}
		if want := plain.set(n, value); want != "" {
			return want + ", " + node + "NAME"
		}
		return ""
	}
	o.show = func(n *NetOptions) string {
		if n.AfterSB0Pri == ASBDiscardNode {
			return node + n.DiscardNode
		}
		return plain.show(n)
	}
	return o
}

// resyncAfter takes NAME, NAME/VOLUME, or nothing in quotes to wait for none.
func resyncAfter() option[DiskOptions] {
	return option[DiskOptions]{
		name: "resync-after",
		set: func(d *DiskOptions, value string) string {
			d.ResyncAfter = ResyncAfter{}
			if value == "" {
				return ""
			}
			name, volume, explicit := strings.Cut(value, "/")
			number := uint64(0)
			if explicit {
				var err error
				if number, err = strconv.ParseUint(volume, 10, 16); err != nil {
					return "the name of a resource, or NAME/VOLUME"
				}
			}
			if !isResourceName(name) {
				return "the name of a resource, or NAME/VOLUME"
			}
			d.ResyncAfter = ResyncAfter{Resource: name, Volume: uint16(number)}
			return ""
		},
		show: func(d *DiskOptions) string {
			if d.ResyncAfter.Resource == "" {
				return quote("")
			}
			return quote(d.ResyncAfter.String())
		},
	}
}

// String is NAME/VOLUME, or empty for none.
func (r ResyncAfter) String() string {
	if r.Resource == "" {
		return ""
	}
	return r.Resource + "/" + strconv.Itoa(int(r.Volume))
}

// cpuMask takes hexadecimal digits, in groups with commas if there are many.
func cpuMask() option[ResourceOptions] {
	o := text("cpu-mask", 128, func(o *ResourceOptions) *string { return &o.CPUMask })
	plain := o
	o.set = func(t *ResourceOptions, value string) string {
		if strings.Trim(value, "0123456789abcdefABCDEF,") != "" {
			return "hexadecimal digits"
		}
		return plain.set(t, value)
	}
	return o
}

// isName says whether a text can be a host name.
func isName(s string) bool {
	for i := range len(s) {
		if !isBare(s[i]) || s[i] == '/' {
			return false
		}
	}
	return s != "" && len(s) <= maxWord
}

// isResourceName says whether a text can name a resource, and therefore a file
// and a directory of sysfs.
func isResourceName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '/' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= maxWord
}
