package drbdconf

import (
	"fmt"
	"strings"
)

// A section is the options that one kind of block knows.
type section[T any] struct {
	name    string
	options []option[T]
	// ignored are words that other versions know, and why they are passed
	// over.
	ignored map[string]string
}

// A vocabulary is a section of any type.
type vocabulary interface {
	title() string
	find(name string) (word, bool)
	names() []string
	why(name string) (reason string, ok bool)
}

// A word is an option of any type.
type word struct {
	flag, list, secret bool
	check              func(value string) (want string)
}

func (s *section[T]) title() string { return s.name }

func (s *section[T]) find(name string) (word, bool) {
	for _, o := range s.options {
		if o.name == name {
			check := func(value string) string {
				var scratch T
				return o.set(&scratch, value)
			}
			return word{flag: o.flag, list: o.list, secret: o.secret, check: check}, true
		}
	}
	return word{}, false
}

func (s *section[T]) names() []string {
	all := make([]string, len(s.options))
	for i, o := range s.options {
		all[i] = o.name
	}
	return all
}

func (s *section[T]) why(name string) (string, bool) {
	reason, ok := s.ignored[name]
	return reason, ok
}

// A setting is one option as a file sets it; its value has been checked.
type setting struct {
	name, value string
	pos         Pos
	// weak settings are what an old word implies. They give way to anything
	// that the files say themselves.
	weak bool
}

// A layer is what one block says. Later layers win over earlier ones.
type layer []setting

// options reads the statements of a block into a layer.
func (r *reader) options(v vocabulary, to *layer, block []statement) {
	for _, s := range block {
		if set, ok := r.setting(v, s); ok {
			r.put(to, set)
		}
	}
}

// put adds a setting. The last of two in one block counts, as it does for
// drbdsetup.
func (r *reader) put(to *layer, set setting) {
	for i, before := range *to {
		if before.name == set.name && before.weak == set.weak {
			if !set.weak {
				r.warn(set.pos, "%s is given twice, the last one counts", set.name)
			}
			(*to)[i] = set
			return
		}
	}
	*to = append(*to, set)
}

// setting reads one option with its value.
func (r *reader) setting(v vocabulary, s statement) (setting, bool) {
	if s.block {
		if _, ignored := v.why(s.word()); ignored {
			r.ignore(v, s)
			return setting{}, false
		}
		r.failAt(s.end, fmt.Sprintf("';' after option '%s'", s.word()))
		return setting{}, false
	}
	name := s.word()
	w, known := v.find(name)
	if positive, ok := strings.CutPrefix(name, "no-"); ok && !known {
		if w, known = v.find(positive); known && w.flag {
			return setting{name: positive, value: "no", pos: s.pos()}, r.noMore(s, 1)
		}
		known = false
	}
	if !known {
		r.ignore(v, s)
		return setting{}, false
	}
	set := setting{name: name, pos: s.pos()}
	switch {
	case w.flag && len(s.args) == 1:
		set.value = "yes"
		return set, true
	case w.list:
		return r.listSetting(w, set, s)
	case len(s.args) < 2 || !s.args[1].isText():
		r.failAt(s.after(1), fmt.Sprintf("a value of '%s'", name))
		return setting{}, false
	}
	set.value = s.args[1].text
	return set, r.noMore(s, 2) && r.checked(w, set, s.args[1].Pos)
}

// listSetting reads an option with several values; they are names, so that
// blanks can stand between them.
func (r *reader) listSetting(w word, set setting, s statement) (setting, bool) {
	if len(s.args) < 2 {
		r.failAt(s.end, fmt.Sprintf("a value of '%s'", set.name))
		return setting{}, false
	}
	values := make([]string, 0, len(s.args)-1)
	for _, a := range s.args[1:] {
		if !a.isText() || !isName(a.text) {
			r.failAt(a, "a host name")
			return setting{}, false
		}
		values = append(values, a.text)
	}
	set.value = strings.Join(values, " ")
	return set, r.checked(w, set, s.args[1].Pos)
}

// checked says whether the value is one that the option takes.
func (r *reader) checked(w word, set setting, at Pos) bool {
	want := w.check(set.value)
	if want == "" {
		return true
	}
	found := set.name + " " + set.value
	if w.secret {
		found = set.name
	}
	r.fail(at, found, want)
	return false
}

// ignore passes over a word that another version knows; any other word is a
// mistake.
func (r *reader) ignore(v vocabulary, s statement) {
	if reason, ok := v.why(s.word()); ok {
		r.warn(s.pos(), "%s is ignored: %s", s.word(), reason)
		return
	}
	r.failAt(s.args[0], "an option of section "+v.title()+nearest(s.word(), v.names()))
}

// noMore says whether the statement ends after args[:n].
func (r *reader) noMore(s statement, n int) bool {
	if len(s.args) > n {
		r.failAt(s.args[n], fmt.Sprintf("';' after '%s'", clip(s.args[n-1].text)))
		return false
	}
	return true
}

func (r *reader) failAt(t token, want string) {
	e := t.wrong(want)
	r.fail(e.Pos, e.Found, e.Want)
}

// build makes the typed options of what the layers say, later ones over
// earlier ones, and tells which of them the files set.
func build[T any](s *section[T], layers ...layer) (t T, given uint64) {
	for _, o := range s.options {
		o.set(&t, o.def)
	}
	return t, apply(s, &t, layers...)
}

// apply lets layers change t and tells which options they set.
func apply[T any](s *section[T], t *T, layers ...layer) (given uint64) {
	for _, weak := range []bool{true, false} {
		for _, l := range layers {
			for _, set := range l {
				for i, o := range s.options {
					if o.name == set.name && set.weak == weak {
						o.set(t, set.value)
						given |= 1 << i
					}
				}
			}
		}
	}
	return given
}
