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
	s.Here, s.Err = g.Memory(ctx)
	s.Room = s.Here.Room()
	for _, one := range slices.Concat(important, others) {
		s.Room += s.Here.Others[one.name]
	}
	return s
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
