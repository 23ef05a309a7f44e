package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/optionc/pollux/daemon/driver/command"
)

// A PV is a physical volume: where on its disk its extents are. Sizes are in
// sectors of 512 bytes.
type PV struct {
	UUID   string
	Group  string // "" if it is in none
	Size   uint64 // what LVM takes it for; in a group whole extents
	Start  uint64 // of the first extent
	Extent uint64 // size of one
	Count  uint64 // of extents
	Used   uint64 // extents up to the last one that a volume has
	Free   uint64 // extents that no volume has
	Last   string // the volume that has the last one

	GroupUUID string
}

// Within tells whether LVM uses no more than so many sectors of the disk.
func (p PV) Within(sectors uint64) bool {
	if p.Group == "" {
		return p.Size <= sectors
	}
	return p.Count <= p.Fit(sectors)
}

// Fit is how many of its extents fit on a disk of that many sectors.
func (p PV) Fit(sectors uint64) uint64 {
	if p.Extent == 0 || sectors < p.Start {
		return 0
	}
	return (sectors - p.Start) / p.Extent
}

// Physical asks LVM for the physical volume on a disk, and lets it see no
// other disk.
func Physical(ctx context.Context, run command.Runner, disk string) (PV, error) {
	config, err := scope([]string{disk})
	if err != nil {
		return PV{}, err
	}
	out, err := run(ctx, command.Program{Name: "pvs", Limit: askLimit, Args: []string{
		"--config", config, "--segments", "--reportformat", "json", "--units", "s", "--nosuffix", "--options",
		"pv_name,pv_uuid,vg_name,vg_uuid,pv_size,pe_start,vg_extent_size,pv_pe_count,pvseg_start,pvseg_size,lv_name", disk,
	}})
	if err != nil {
		return PV{}, err
	}
	return parsePV(out.Stdout)
}

func parsePV(report []byte) (p PV, err error) {
	var parsed struct {
		Report []struct {
			Segments []map[string]string `json:"pvseg"`
		} `json:"report"`
	}
	if err := json.Unmarshal(report, &parsed); err != nil {
		return p, fmt.Errorf("pvs printed no report in JSON: %w", err)
	}
	if len(parsed.Report) != 1 || len(parsed.Report[0].Segments) == 0 {
		return p, fmt.Errorf("pvs printed JSON without a physical volume: %.100s", report)
	}
	for _, s := range parsed.Report[0].Segments {
		number := func(name string) uint64 {
			n, bad := strconv.ParseUint(s[name], 10, 64)
			if bad != nil {
				err = fmt.Errorf("pvs printed no number as %s: %w", name, bad)
			}
			return n
		}
		p.UUID, p.GroupUUID = s["pv_uuid"], s["vg_uuid"]
		p.Group, p.Start, p.Extent = s["vg_name"], number("pe_start"), number("vg_extent_size")
		p.Size, p.Count = number("pv_size"), number("pv_pe_count")
		start, size := number("pvseg_start"), number("pvseg_size")
		switch end := start + size; {
		case s["lv_name"] == "":
			p.Free += size
		case end > p.Used:
			p.Used, p.Last = end, s["lv_name"]
		}
	}
	return p, err
}
