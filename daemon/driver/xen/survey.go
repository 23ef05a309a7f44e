package xen

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Survey is what can be known of guests before they are started.
type Survey struct {
	// Unreadable has each file that is none of a guest, and each guest that has two.
	Unreadable []error
	// Mistakes are in what pollux alone reads.
	Mistakes []string
	// Needs is what the guests of groups start with, as "web1 96", in MiB, and Need
	// the sum.
	Needs []string
	Need  uint64
	// Live says of those whose files ask for a live migration what comes of it.
	Live string
	// Room is what they can have, in MiB, once those that make room have left; Here
	// says what there is now. Err says why that is not known.
	Room uint64
	Here Memory
	Err  error
}

// Look surveys the guests of directories, and those that make room for them.
func Look(ctx context.Context, g Guests, dirs, displaced []string) Survey {
	var s Survey
	var files []string
	for _, dir := range dirs {
		found, err := filesIn(dir)
		if err != nil {
			s.Unreadable = append(s.Unreadable, err)
		}
		files = append(files, found...)
	}
	important := s.readAll(files, nil)
	others := s.readAll(displaced, important)
	for _, one := range important {
		s.Need += one.memory
		s.Needs = append(s.Needs, fmt.Sprintf("%s %d", one.name, one.memory))
	}
	s.Live = g.live(ctx, important)
	s.Here, s.Err = g.Memory(ctx)
	s.Room = s.Here.Room()
	for _, one := range slices.Concat(important, others) {
		s.Room += s.Here.Others[one.name]
	}
	return s
}

// live is what becomes of guests that are to move live: Xen has to keep track of
// the pages that they write meanwhile, by shadow page tables for a PV guest.
func (g Guests) live(ctx context.Context, guests []guest) string {
	asked := slices.DeleteFunc(slices.Clone(guests), func(one guest) bool { return !one.live })
	if len(asked) == 0 {
		return ""
	}
	text := strings.Join(namesOf(asked), ", ") + `: no live migration, for which both nodes would have to be Primary; pollux_move = ` +
		`"save" takes the memory along`
	said, err := g.info(ctx)
	caps := strings.Fields(said["virt_caps"])
	switch {
	case err != nil:
		return text + ". Whether Xen could, can't be asked: " + err.Error()
	case slices.Contains(caps, "shadow"):
		return text + ". Xen could"
	case slices.Contains(caps, "hap"):
		return text + ". Xen could for guests of type hvm and pvh; for pv it was built without shadow paging"
	default:
		return text + fmt.Sprintf(". This Xen couldn't either: virt_caps of xl info has neither shadow nor hap (%s)",
			strings.Join(caps, " "))
	}
}

// readAll reads files of guests, none of which may be among those that are known.
func (s *Survey) readAll(files []string, known []guest) (guests []guest) {
	for _, file := range files {
		one, err := read(file)
		if err == nil {
			err = twice(one, slices.Concat(known, guests))
		}
		if err != nil {
			s.Unreadable = append(s.Unreadable, err)
			continue
		}
		s.Mistakes = append(s.Mistakes, one.mistakes...)
		guests = append(guests, one)
	}
	return guests
}

// twice is an error if another file configures a guest of that name.
func twice(one guest, guests []guest) error {
	if at := slices.IndexFunc(guests, func(g guest) bool { return g.name == one.name }); at >= 0 {
		return fmt.Errorf("%s and %s both configure the guest %q", guests[at].file, one.file, one.name)
	}
	return nil
}

// Fits says whether the guests find room, or an error with what is missing.
func (s Survey) Fits() error {
	if known := s.Err == nil; !known || s.Need <= s.Room {
		return nil
	}
	return fmt.Errorf("%d MiB are needed (%s), and there are %d: %s", s.Need, strings.Join(s.Needs, ", "), s.Room, s.Here)
}
