package haconf

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// readableByOthers are the permission bits that let anybody but the owner read a file.
const readableByOthers = 0o044

// ParseKeys reads authkeys, whose permission bits are mode. No error shows a secret.
//
//	auth NUMBER            what this node signs with; stands before the line that it names
//	NUMBER METHOD [KEY]    0 to 15; crc without key, md5 or sha1 with one, a word
//
// Blank lines are skipped, and lines that start with '#'. Source: Heartbeat wire, section 2.1.
func ParseKeys(file string, text []byte, mode uint32) (hbwire.Keys, error) {
	p := &keyParser{report: report{file: file}}
	if mode&readableByOthers != 0 {
		// Keys that others may have read are worth nothing, so nothing more is said about them.
		found := word{text: fmt.Sprintf("mode %04o", mode&0o7777)}
		p.fail(found, "mode 0600, as others can read the keys: chmod 600 %s", file)
		return hbwire.Keys{}, p.err()
	}
	p.secret = true
	for line := range p.lines(text) {
		if words := line.split(blanks); len(words) > 0 && words[0].text[0] != '#' {
			p.line(words)
		}
	}
	switch {
	case len(p.errs) > 0:
	case p.auth.line == 0:
		p.fail(word{}, "a line 'auth NUMBER' and the key that it names")
	case p.keys.Keys[p.keys.Current].Method == hbwire.NoMethod:
		p.fail(p.auth, "the number of a key that stands below")
	}
	if err := p.err(); err != nil {
		return hbwire.Keys{}, err
	}
	return p.keys, nil
}

type keyParser struct {
	report
	keys hbwire.Keys
	auth word // the number behind auth
}

func (p *keyParser) line(words []word) {
	first := words[0]
	// A comment may follow; but what starts with '#' where a key must stand is no key either.
	for i, w := range words {
		if w.text[0] == '#' {
			words = words[:i]
			break
		}
	}
	if first.text == "auth" {
		p.readAuth(words)
		return
	}
	number, ok := parseInt(first.text, 0, len(p.keys.Keys)-1)
	switch {
	case !ok:
		p.fail(first, "'auth NUMBER' or 'NUMBER METHOD KEY', with a number from 0 to %d", len(p.keys.Keys)-1)
	case p.keys.Keys[number].Method != hbwire.NoMethod:
		p.fail(first, "another number: a line above has this one")
	case len(words) < 2:
		p.fail(first.after(), "crc, md5 or sha1 behind the number")
	case p.auth.line == 0:
		p.fail(first, "the line 'auth NUMBER' first, above all keys")
	default:
		p.readKey(number, words[1], words[2:])
	}
}

func (p *keyParser) readAuth(words []word) {
	switch {
	case p.auth.line != 0:
		p.fail(words[0], "one line 'auth NUMBER'; line %d is another", p.auth.line)
	case len(words) < 2:
		p.fail(words[0].after(), "the number of a key behind auth")
	case len(words) > 2:
		p.fail(words[2], "nothing behind the number")
	default:
		number, ok := parseInt(words[1].text, 0, len(p.keys.Keys)-1)
		if !ok {
			p.fail(words[1], "the number of a key, from 0 to %d", len(p.keys.Keys)-1)
		}
		p.keys.Current, p.auth = number, words[1]
	}
}

func (p *keyParser) readKey(number int, method word, secret []word) {
	key := hbwire.Key{}
	for _, m := range []hbwire.Method{hbwire.CRC, hbwire.MD5, hbwire.SHA1} {
		if m.String() == method.text {
			key.Method = m
		}
	}
	switch {
	case key.Method == hbwire.NoMethod:
		p.fail(method, "crc, md5 or sha1")
		return
	case key.Method == hbwire.CRC && len(secret) > 0:
		p.fail(method, "nothing behind crc, which has no key and finds damage only; sha1 with a key protects")
		return
	case key.Method != hbwire.CRC && len(secret) == 0:
		p.fail(method.after(), "a key behind %s: one word without blanks, not starting with '#'", method.text)
		return
	case len(secret) > 1:
		p.fail(method, "one word as key: it cannot hold blanks")
		return
	case len(secret) == 1:
		key.Secret = hbwire.Secret(secret[0].text)
	}
	p.keys.Keys[number] = key
}
