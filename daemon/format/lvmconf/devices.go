package lvmconf

import (
	"fmt"
	"strings"
)

// Devices is section devices, as far as it decides what LVM looks at, and what
// of that it takes by itself.
type Devices struct {
	Dir  string   // where device nodes are, /dev
	Scan []string // where LVM searches for devices, /dev
	// Filter and GlobalFilter must both accept a device. Programs that LVM is
	// a part of, and its event activation, may use the global one only.
	Filter       Filter
	GlobalFilter Filter
	// Types are kinds of devices that LVM should accept beyond those that it
	// knows itself; drbd and nbd are known to any LVM of today.
	Types []DeviceType
	// UseDevicesFile says whether LVM looks at the devices of a list and at no
	// others; it then ignores the filters, provided that the list exists. Nil
	// leaves it to how LVM was built.
	UseDevicesFile *bool
	DevicesFile    string // the name of that list in /etc/lvm/devices
	// ScanLVs says whether LVM looks for volumes on logical volumes. Nil is not.
	ScanLVs *bool
	// AutoActivation are the groups, volumes (GROUP/VOLUME) and tags (@TAG) that
	// may be activated as soon as they are seen, at boot for instance. Nil is all.
	AutoActivation []string
}

// DeviceType is a kind of block device, by its name in /proc/devices.
type DeviceType struct {
	Name       string
	Partitions int // the most that one may have
	Pos        Pos
}

// Devices gives the settings of section devices their types. What LVM would
// refuse is an *Error: with a broken filter every command of LVM fails.
func (c *Config) Devices() (*Devices, error) {
	r := &reader{config: c}
	d := &Devices{
		Dir:            r.text("devices/dir", "/dev"),
		Scan:           r.texts("devices/scan", "/dev"),
		Filter:         r.filter("devices/filter"),
		GlobalFilter:   r.filter("devices/global_filter"),
		Types:          r.types("devices/types"),
		UseDevicesFile: r.flag("devices/use_devicesfile"),
		DevicesFile:    r.text("devices/devicesfile", "system.devices"),
		ScanLVs:        r.flag("devices/scan_lvs"),
		AutoActivation: r.texts("activation/auto_activation_volume_list"),
	}
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// A reader gives settings their types and keeps the first mistake.
type reader struct {
	config *Config
	err    *Error
}

func (r *reader) fail(at Pos, found, want string) {
	if r.err == nil {
		r.err = &Error{Pos: at, Found: found, Want: want}
	}
}

func (r *reader) texts(path string, def ...string) []string {
	s, ok := r.config.Lookup(path)
	if !ok {
		return def
	}
	all := make([]string, 0, len(s.Values))
	for _, v := range s.Values {
		if v.Kind != String {
			r.fail(v.Pos, v.Text, "a string for "+path)
		}
		all = append(all, v.Text)
	}
	return all
}

func (r *reader) text(path, def string) string {
	all := r.texts(path, def)
	if len(all) != 1 {
		s, _ := r.config.Lookup(path)
		r.fail(s.Pos, fmt.Sprintf("%s of %d strings", path, len(all)), "one string")
		return def
	}
	return all[0]
}

func (r *reader) flag(path string) *bool {
	s, ok := r.config.Lookup(path)
	if !ok {
		return nil
	}
	if len(s.Values) != 1 || s.Values[0].Kind != Int {
		r.fail(s.Pos, path+" that is no number", "0 or 1")
		return nil
	}
	on := s.Values[0].Int != 0
	return &on
}

// types reads name, number, name, number and so on.
func (r *reader) types(path string) (all []DeviceType) {
	s, _ := r.config.Lookup(path)
	for i := 0; i < len(s.Values); i += 2 {
		name := s.Values[i]
		if name.Kind != String || i+1 == len(s.Values) || s.Values[i+1].Kind != Int {
			r.fail(name.Pos, name.Text, `pairs of a name and a number, [ "drbd", 16 ]`)
			return nil
		}
		all = append(all, DeviceType{Name: name.Text, Partitions: int(s.Values[i+1].Int), Pos: name.Pos})
	}
	return all
}

func (r *reader) filter(path string) (f Filter) {
	s, _ := r.config.Lookup(path)
	for _, v := range s.Values {
		p, wrong := pattern(v)
		if wrong != "" {
			r.fail(v.Pos, v.Text, wrong)
			return nil
		}
		f = append(f, p)
	}
	return f
}

// pattern reads a|REGEX| or r|REGEX|, with any delimiter; a bracket is closed
// by its counterpart.
func pattern(v Value) (p Pattern, wrong string) {
	const want = "a pattern such as a|^/dev/drbd1$| or r|.*|"
	switch {
	case v.Kind != String || len(v.Text) < 3:
		return p, want
	case v.Text[0] != 'a' && v.Text[0] != 'r':
		return p, "'a' or 'r' at the beginning of a pattern"
	}
	closing := v.Text[1]
	if i := strings.IndexByte("([{", closing); i >= 0 {
		closing = ")]}"[i]
	}
	if last := len(v.Text) - 1; v.Text[last] != closing {
		return p, fmt.Sprintf("'%c' at the end of the pattern too", closing)
	}
	p = Pattern{Accept: v.Text[0] == 'a', Text: v.Text, Pos: v.Pos}
	p.regex, wrong = compile(v.Text[2 : len(v.Text)-1])
	return p, wrong
}
