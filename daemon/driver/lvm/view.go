package lvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/format/lvmconf"
)

// Where LVM's configuration is; a later file counts before an earlier one.
const (
	confFile  = "/etc/lvm/lvm.conf"
	localFile = "/etc/lvm/lvmlocal.conf"
	listDir   = "/etc/lvm/devices"
)

// View is what LVM looks at on this host when pollux does not tell it what to
// look at: commands of people, of the boot, and of udev.
type View struct {
	Devices *lvmconf.Devices
	// List is the path of the list of devices that LVM goes by, and by no filter;
	// "" if it goes by its filters.
	List   string
	listed []string // paths
	root   string
	// Found tells whether there is a configuration at all.
	Found bool
}

// Look reads the configuration of the LVM below root; "" is "/".
func Look(root string) (View, error) {
	root = rootOf(root)
	v := View{root: root}
	var files []*lvmconf.Config
	for _, path := range []string{confFile, localFile} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return v, err
		}
		conf, err := lvmconf.Parse(path, text)
		if err != nil {
			return v, err
		}
		v.Found = true
		files = append(files, conf)
	}
	var err error
	if v.Devices, err = lvmconf.Merge(files...).Devices(); err != nil {
		return v, err
	}
	if on := v.Devices.UseDevicesFile; on == nil || *on {
		v.list()
	}
	return v, nil
}

// list reads the list of devices, if there is one.
func (v *View) list() {
	path := filepath.Join(listDir, v.Devices.DevicesFile)
	text, err := os.ReadFile(filepath.Join(v.root, path))
	if err != nil {
		return // LVM goes by its filters then
	}
	v.List = path
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			for _, key := range []string{"DEVNAME=/", "IDNAME=/"} {
				if strings.HasPrefix(word, key) {
					_, name, _ := strings.Cut(word, "=")
					v.listed = append(v.listed, name)
				}
			}
		}
	}
}

// Judge says whether LVM sees a device, and what decided.
func (v View) Judge(device string) lvmconf.Verdict {
	if _, isVolume := mappingOf(v.root, kernelName(v.root, device)); isVolume {
		if scan := v.Devices.ScanLVs; scan == nil || !*scan {
			return lvmconf.Verdict{}
		}
	}
	if v.List != "" {
		return lvmconf.Verdict{Accepted: slices.ContainsFunc(v.listed, func(l string) bool { return same(l, device) })}
	}
	return v.Devices.Judge(device)
}

// same tells whether two paths are those of one device.
func same(a, b string) bool {
	if a == b {
		return true
	}
	at, err := filepath.EvalSymlinks(a)
	bt, err2 := filepath.EvalSymlinks(b)
	return err == nil && err2 == nil && at == bt
}

// Hide is what a person has to do so that LVM does not see a disk; "" if it
// does not.
func (v View) Hide(disk string) string {
	if !v.Judge(disk).Accepted {
		return ""
	}
	if v.List != "" {
		// Measured with 2.03.16: a look at the group on a Secondary finds the same
		// physical volume on the disk below, and writes that into the list.
		return fmt.Sprintf("lvmdevices --deldev %s, and in section devices of lvm.conf search_for_devnames = \"none\", since LVM "+
			"puts the disk back into %s when it finds the volume there", disk, v.List)
	}
	file, patterns := confFile, []string{`"r|^` + plain(disk) + `$|"`}
	for _, p := range v.Devices.GlobalFilter {
		file, patterns = p.Pos.File, append(patterns, `"`+p.Text+`"`)
	}
	return fmt.Sprintf("global_filter = [ %s ] in section devices of %s", strings.Join(patterns, ", "), file)
}

// Hide is View.Hide of the LVM below root; "" also if its configuration can't
// be read.
func Hide(root, disk string) string {
	v, err := Look(root)
	if err != nil {
		return ""
	}
	return v.Hide(disk)
}

// ActivatesAtBoot tells whether LVM may activate a group as soon as it sees it.
// Source: lvm.conf(5): a name of a group or volume, or a tag.
func (v View) ActivatesAtBoot(group string) bool {
	list := v.Devices.AutoActivation
	return list == nil || slices.ContainsFunc(list, func(s string) bool {
		name, _, _ := strings.Cut(s, "/")
		return name == group || strings.HasPrefix(s, "@")
	})
}
