package xen

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// DefaultXLConf is the configuration of xl.
const DefaultXLConf = "/etc/xen/xl.conf"

// leastDom0 is what xl leaves to dom0 when it takes memory from it, in MiB.
const leastDom0 = 128

// Memory is what a host can give to guests, in MiB.
type Memory struct {
	Total uint64
	Free  uint64 // Xen has it free
	// Dom0 is what xl would take from dom0 for a new guest besides.
	Dom0 uint64
	// Others is what each domain has but dom0, by name.
	Others map[string]uint64
}

// Room is what new guests can have.
func (m Memory) Room() uint64 { return m.Free + m.Dom0 }

// String says where the room is, or who has it.
func (m Memory) String() string {
	text := fmt.Sprintf("Xen has %d MiB free", m.Free)
	if m.Dom0 > 0 {
		text += fmt.Sprintf(", and dom0 can give %d", m.Dom0)
	}
	var others []string
	for _, name := range slices.Sorted(maps.Keys(m.Others)) {
		others = append(others, fmt.Sprintf("%s %d", name, m.Others[name]))
	}
	if len(others) > 0 {
		text += fmt.Sprintf("; what runs here has %d: %s", sum(m.Others), strings.Join(others, ", "))
	}
	return text
}

func sum(parts map[string]uint64) (total uint64) {
	for _, part := range parts {
		total += part
	}
	return total
}

// Memory asks Xen what memory there is.
func (g Guests) Memory(ctx context.Context) (Memory, error) {
	domains, err := g.domains(ctx)
	if err != nil {
		return Memory{}, err
	}
	said, err := g.info(ctx)
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Others: map[string]uint64{}}
	for name, to := range map[string]*uint64{"total_memory": &m.Total, "free_memory": &m.Free} {
		if *to, err = strconv.ParseUint(said[name], 10, 64); err != nil {
			return Memory{}, fmt.Errorf("xl info printed no number as %s: %w", name, err)
		}
	}
	for name, d := range domains {
		if name != dom0 {
			m.Others[name] = d.memory
		}
	}
	if has := domains[dom0].memory; has > leastDom0 && g.balloons(said["xen_commandline"]) {
		m.Dom0 = has - leastDom0
	}
	return m, nil
}

// info is what xl info says of the host, by name.
func (g Guests) info(ctx context.Context) (map[string]string, error) {
	out, err := g.xl(ctx, askLimit, "info")
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	for line := range strings.Lines(string(out.Stdout)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			said[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return said, nil
}

// balloons says whether xl takes memory from dom0 for a new guest. Source:
// xl.conf(5), autoballoon.
func (g Guests) balloons(xenCommandLine string) bool {
	file := g.XLConf
	if file == "" {
		file = DefaultXLConf
	}
	// Without the file, or without the line, it is auto.
	text, _ := os.ReadFile(file)
	switch settings(text)["autoballoon"] {
	case "on", "1":
		return true
	case "off", "0":
		return false
	default:
		return !strings.Contains(" "+xenCommandLine, " dom0_mem=")
	}
}

// makeRoom displaces guests for those that are to be started, unless these would
// not find room then either. One that does not go is told of, and does harm only
// if its memory is needed.
func (g Guests) makeRoom(ctx context.Context, guests []guest) error {
	if g.Displaced == nil {
		return g.fits(ctx, guests, nil)
	}
	leaving, _ := g.Displaced.declared() // Leave tells of what can't be read
	if err := g.fits(ctx, guests, leaving); err != nil {
		return err
	}
	stayed := g.Displaced.Leave(ctx)
	if stayed != nil {
		g.Displaced.warn(stayed)
	}
	if err := g.fits(ctx, guests, nil); err != nil {
		return errors.Join(err, stayed)
	}
	return nil
}

// fits refuses guests for which there is not the memory once others have left:
// those that would be started first would only be destroyed again. If Xen can't be
// asked it is for xl to find out.
func (g Guests) fits(ctx context.Context, guests, leaving []guest) error {
	need := needs(guests)
	m, err := g.Memory(ctx)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	room, gone := m.Room(), []string(nil)
	for _, one := range leaving {
		if has, runs := m.Others[one.name]; runs {
			room += has
			gone = append(gone, one.name)
		}
	}
	if sum(need) <= room {
		return nil
	}
	var each []string
	for _, one := range guests {
		each = append(each, fmt.Sprintf("%s %d", one.name, need[one.name]))
	}
	there := m.String()
	if len(gone) > 0 {
		there = fmt.Sprintf("there would be %d without %s: %s", room, strings.Join(gone, ", "), there)
	}
	return fmt.Errorf("not enough memory: %d MiB are needed (%s), and %s", sum(need), strings.Join(each, ", "), there)
}

// needs is what each guest starts with, in MiB.
func needs(guests []guest) map[string]uint64 {
	need := map[string]uint64{}
	for _, one := range guests {
		need[one.name] = one.memory
	}
	return need
}

func namesOf(guests []guest) (names []string) {
	for _, one := range guests {
		names = append(names, one.name)
	}
	return names
}
