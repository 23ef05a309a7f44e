package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// A seen is a physical volume as one of the group's devices shows it.
type seen struct {
	Device    string `json:"pv_name"`
	UUID      string `json:"pv_uuid"`
	Group     string `json:"vg_name"`
	GroupUUID string `json:"vg_uuid"`
	// SystemID is the host that has the group for itself, if one has.
	SystemID string `json:"vg_systemid"`
}

// physical asks LVM for all physical volumes on the group's devices: those of
// which it uses another copy, and those of another host's groups, too.
func (g Group) physical(ctx context.Context) ([]seen, error) {
	out, err := g.lvm(ctx, askLimit, "pvs", "--all", "--foreign", "--reportformat", "json", "--options",
		"pv_name,pv_uuid,vg_name,vg_uuid,vg_systemid")
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Report []struct {
			PV []seen `json:"pv"`
		} `json:"report"`
	}
	if err := json.Unmarshal(out.Stdout, &parsed); err != nil {
		return nil, fmt.Errorf("pvs printed no report in JSON: %w", err)
	}
	var all []seen
	for _, report := range parsed.Report {
		all = append(all, report.PV...)
	}
	return all, nil
}

// unique fails if a physical volume is there twice, or another group has the
// name. LVM would use one of them, by rules of its own; of a copy it does not even
// tell which group that is in.
func (g Group) unique(found []seen) error {
	for i, a := range found {
		for _, b := range found[i+1:] {
			switch {
			case a.UUID != "" && b.UUID == a.UUID:
				return fmt.Errorf("%s and %s carry the same physical volume, %s: one is a copy of the other. %s", a.Device, b.Device,
					a.UUID, g.tellApart(b.Device))
			case a.Group == g.Name && b.Group == g.Name && b.GroupUUID != a.GroupUUID:
				return fmt.Errorf("there are two of that name, %s on %s and %s on %s. Rename the one that is not meant: %s",
					a.GroupUUID, a.Device, b.GroupUUID, b.Device, g.command(b.Device, "vgrename", b.GroupUUID, g.Name+"_other"))
			}
		}
	}
	return nil
}

// notFound says why LVM does not show the group, as far as that is known.
func (g Group) notFound(found []seen, said string) error {
	for _, s := range found {
		if s.Group == g.Name && s.SystemID != "" {
			return fmt.Errorf("LVM keeps it for the host whose system ID is %s. There: vgchange --yes --systemid '' %s", s.SystemID, g.Name)
		}
	}
	if said == "" {
		said = "nothing"
	}
	return fmt.Errorf("not on %s; vgscan says: %s", strings.Join(g.Devices, ", "), said)
}

// tellApart is how a copy of a physical volume is kept from being taken for it.
func (g Group) tellApart(device string) string {
	text := "Make the resource of the one that is not meant Secondary, or give it an identity of its own: " +
		g.command(device, "vgimportclone", "--basevgname", g.Name+"_copy", device)
	if hide := Hide(g.root(), device); hide != "" {
		text += ". To keep this host's LVM from it: " + hide
	}
	return text
}

// command is a command line for people that sees one device only.
func (g Group) command(device, name string, args ...string) string {
	config, err := scope([]string{device})
	if err != nil {
		return name + " " + strings.Join(args, " ")
	}
	return command.Program{Name: name, Args: append([]string{"--config", config}, args...)}.String()
}
