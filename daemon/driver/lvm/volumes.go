package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A volume is one line of what lvs reports.
type volume struct {
	Group string `json:"vg_name"`
	Name  string `json:"lv_name"`
	// Attr are ten letters: the fifth is the state, the tenth says whether
	// activation skips it. Source: lvs(8).
	Attr  string `json:"lv_attr"`
	Open  string `json:"lv_device_open"`
	Major string `json:"lv_kernel_major"`
	Minor string `json:"lv_kernel_minor"`
}

// attrSize is the least number of attributes that say anything.
const attrSize = 10

func (v volume) unclear() bool { return len(v.Attr) < attrSize || v.Attr[4] == 'X' || v.Attr[4] == 'C' }
func (v volume) active() bool  { return !v.unclear() && v.Attr[4] != '-' }
func (v volume) skipped() bool { return !v.unclear() && v.Attr[9] == 'k' }

// volumes asks LVM for the logical volumes of the group; a group that LVM does
// not see has none.
func (g Group) volumes(ctx context.Context) ([]volume, error) {
	// The group is not named: that a group is not there is then no failure,
	// and every failure is one of LVM itself.
	out, err := g.lvm(ctx, askLimit, "lvs", "--reportformat", "json", "--options",
		"vg_name,lv_name,lv_attr,lv_device_open,lv_kernel_major,lv_kernel_minor")
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Report []struct {
			LV []volume `json:"lv"`
		} `json:"report"`
	}
	if err := json.Unmarshal(out.Stdout, &parsed); err != nil {
		return nil, fmt.Errorf("lvs printed no report in JSON: %w", err)
	}
	if len(parsed.Report) == 0 {
		return nil, fmt.Errorf("lvs printed JSON without a report: %.100s", out.Stdout)
	}
	var volumes []volume
	for _, report := range parsed.Report {
		for _, v := range report.LV {
			if v.Group == g.Name {
				volumes = append(volumes, v)
			}
		}
	}
	return volumes, nil
}

// mapped are the group's volumes that the kernel has, by the name that the
// device mapper gives them. Those of a group that only has the same name, or
// that are on the disk below, are strayed, with where they stand. Those on a device
// that was given up are left: they are to be taken away.
func (g Group) mapped() (left, strayed []string, err error) {
	entries, err := os.ReadDir(filepath.Join(g.root(), "sys/block"))
	if err != nil {
		return nil, nil, fmt.Errorf("look for mapped volumes: %w", err)
	}
	for _, entry := range entries {
		m, ok := mappingOf(g.root(), entry.Name())
		if group, _ := m.split(); !ok || group != g.Name {
			continue
		}
		if at := g.elsewhere(m.device); at != "" && !g.onGivenUp(m.device) {
			strayed = append(strayed, m.name+" is on "+at)
		} else {
			left = append(left, m.name)
		}
	}
	return left, strayed, nil
}

// strayed says where a volume stands that LVM sees on the group's devices, and
// that the kernel has elsewhere: LVM goes by identifiers, and these are in every
// copy. It is "" if all is as it should be, or can't be told.
func (g Group) strayed(v volume) string {
	if !v.active() || v.Minor == "" || strings.HasPrefix(v.Minor, "-") {
		return ""
	}
	return g.elsewhere("dm-" + v.Minor)
}

func (g Group) root() string { return rootOf(g.Root) }

// rootOf is where /sys, /proc and /etc are.
func rootOf(root string) string {
	if root == "" {
		return "/"
	}
	return root
}

// firstLine is the first line of a file, or "" if it can't be read.
func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
