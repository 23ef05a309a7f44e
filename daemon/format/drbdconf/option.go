package drbdconf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// An option is one word of a section whose values are a T.
type option[T any] struct {
	name   string
	def    string // the default, as set takes it
	flag   bool   // may stand alone, and with no- before it
	bare   bool   // Dump writes it without a value, and only if it is on
	list   bool   // takes several values
	secret bool   // its value must not appear in messages
	// set reads a value; it returns what would be right if that is wrong.
	set func(t *T, value string) (want string)
	// show writes the value so that set reads it back. Equal texts are equal
	// values.
	show func(t *T) string
}

// words are the values of an enumeration as the file spells them; the first
// spelling of a value is the usual one.
type words[E ~uint8] []struct {
	word  string
	value E
}

func (w words[E]) name(value E) string {
	for _, x := range w {
		if x.value == value {
			return x.word
		}
	}
	return strconv.Itoa(int(value))
}

func (w words[E]) list() string {
	names := make([]string, len(w))
	for i, x := range w {
		names[i] = x.word
	}
	return strings.Join(names, ", ")
}

// choice is an option that takes one of several words.
func choice[T any, E ~uint8](name string, w words[E], def E, field func(*T) *E) option[T] {
	return option[T]{
		name: name,
		def:  w.name(def),
		set: func(t *T, value string) string {
			for _, x := range w {
				if x.word == value {
					*field(t) = x.value
					return ""
				}
			}
			return "one of " + w.list()
		},
		show: func(t *T) string { return w.name(*field(t)) },
	}
}

// flag is an option that is on or off.
func flag[T any](name string, def bool, field func(*T) *bool) option[T] {
	show := func(on bool) string {
		if on {
			return "yes"
		}
		return "no"
	}
	return option[T]{
		name: name,
		def:  show(def),
		flag: true,
		set: func(t *T, value string) string {
			if value != "yes" && value != "no" {
				return "yes or no"
			}
			*field(t) = value == "yes"
			return ""
		},
		show: func(t *T) string { return show(*field(t)) },
	}
}

// bareFlag is an option that is on because it is there.
func bareFlag[T any](name string, field func(*T) *bool) option[T] {
	o := flag(name, false, field)
	o.bare = true
	return o
}

// text is an option that takes any text up to a length.
func text[T any](name string, most int, field func(*T) *string) option[T] {
	return option[T]{
		name: name,
		set: func(t *T, value string) string {
			if len(value) > most {
				return fmt.Sprintf("at most %d characters", most)
			}
			*field(t) = value
			return ""
		},
		show: func(t *T) string { return quote(*field(t)) },
	}
}

// secret is a text that no message may show.
func secret[T any](name string, most int, field func(*T) *string) option[T] {
	o := text(name, most, field)
	o.secret = true
	return o
}

// count is an option that takes a number of things.
func count[T any](name string, low, high, def int64, field func(*T) *int) option[T] {
	return number(name, "", 1, low, high, def,
		func(t *T, n int64) { *field(t) = int(n) }, func(t *T) int64 { return int64(*field(t)) })
}

// duration is an option that takes a time as a number of units.
func duration[T any](name string, unit time.Duration, low, high, def int64, field func(*T) *time.Duration) option[T] {
	units := " seconds"
	if unit == tenth {
		units = " tenths of a second"
	}
	return number(name, units, 1, low, high, def,
		func(t *T, n int64) { *field(t) = time.Duration(n) * unit },
		func(t *T) int64 { return int64(*field(t) / unit) })
}

// amount is an option that takes bytes, sectors or KiB: base is how many bytes
// one is.
func amount[T any, N ~int | ~int64](name string, base, low, high, def int64, field func(*T) *N) option[T] {
	units := map[int64]string{1: " bytes", sector: " sectors", kib: " KiB"}[base]
	o := number(name, units, base, low, high, def,
		func(t *T, n int64) { *field(t) = N(n) }, func(t *T) int64 { return int64(*field(t)) })
	o.show = func(t *T) string { return showAmount(int64(*field(t)), base) }
	return o
}

func number[T any](
	name, units string, base, low, high, def int64, set func(*T, int64), get func(*T) int64,
) option[T] {
	return option[T]{
		name: name,
		def:  strconv.FormatInt(def, 10),
		set: func(t *T, value string) string {
			n, ok := parseNumber(value, base)
			if !ok || n < low || n > high {
				return fmt.Sprintf("%d to %d%s", low, high, units)
			}
			set(t, n)
			return ""
		},
		show: func(t *T) string { return strconv.FormatInt(get(t), 10) },
	}
}

// Base units of numbers, in bytes, and the tenth of a second.
const (
	sector = 512
	kib    = 1024
	tenth  = 100 * time.Millisecond
)

// parseNumber reads digits with an optional suffix. Without one the number is
// in the base unit already; with one it is in bytes, and rounded up to whole
// base units. Source: drbd.conf, section 2.
func parseNumber(s string, base int64) (n int64, ok bool) {
	digits, unit := s, int64(0)
	if s != "" {
		switch s[len(s)-1] {
		case 's':
			unit = sector
		case 'K', 'k':
			unit = kib
		case 'M', 'm':
			unit = kib << 10
		case 'G', 'g':
			unit = kib << 20
		}
	}
	if unit > 0 {
		digits = s[:len(s)-1]
	}
	u, err := strconv.ParseUint(digits, 10, 63)
	n = int64(u)
	if err != nil || unit > 0 && n > (math.MaxInt64-base)/unit {
		return 0, false
	}
	if unit > 0 {
		n = (n*unit + base - 1) / base
	}
	return n, true
}

// showAmount writes a number of base units with the largest suffix that
// divides it. A few sectors stay sectors: everybody knows c-fill-target 100.
func showAmount(n, base int64) string {
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"G", kib << 20}, {"M", kib << 10}, {"K", kib}} {
		if per := u.bytes / base; per > 2 && n > 0 && n%per == 0 {
			return strconv.FormatInt(n/per, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}
