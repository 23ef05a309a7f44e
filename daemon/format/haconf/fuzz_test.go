package haconf_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// explained says that an error tells where the file is wrong and what would be right, in few readable lines.
func explained(t *testing.T, err error) {
	t.Helper()
	var one *haconf.ParseError
	if !errors.As(err, &one) || one.Want == "" || one.File != "file" {
		t.Errorf("error %#v explains nothing", err)
	}
	if text := err.Error(); strings.Count(text, "\n") > 20 || !utf8.ValidString(text) {
		t.Errorf("error is not for people: %q", text)
	}
}

// FuzzParseHA: no ha.cf makes the parser panic, and what it accepts keeps the promises of the type.
func FuzzParseHA(f *testing.F) {
	f.Add(read(f, "testdata/seed/ha.cf"))
	f.Add([]byte(base + "mcast eth0 225.0.0.1 695 2 1\nping_group g a b\nrespawn u c d\nenv A=b\napiauth x uid=a,b\n"))
	f.Add([]byte(base + "stonith_host * null a\nnice_failback on\nkeepalive 0.5\nwarntime 10us\ninitdead 500MS\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ha, err := haconf.ParseHA("file", text)
		if err != nil {
			explained(t, err)
			return
		}
		if ha.Keepalive <= 0 || ha.Deadtime <= 2*ha.Keepalive || ha.Initdead < ha.Deadtime || ha.Warntime <= 0 ||
			len(ha.Nodes) == 0 || len(ha.Media) == 0 || ha.UDPPort < 1 || ha.UDPPort > 65535 {
			t.Errorf("accepted %q as %+v", text, ha)
		}
	})
}

// FuzzParseResources: what the parser accepts can be written from what it understood, and read again.
func FuzzParseResources(f *testing.F) {
	f.Add(read(f, "testdata/seed/haresources"))
	f.Add([]byte("milo2 10.0.0.1/24/eth0 a::b::c \\\n d # e\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		groups, err := haconf.ParseResources("file", text, milos)
		if err != nil {
			explained(t, err)
			return
		}
		var again strings.Builder
		for _, g := range groups {
			again.WriteString(g.Node)
			for _, r := range g.Resources {
				again.WriteString(" " + r.Text)
			}
			again.WriteString("\n")
		}
		for i := range groups {
			groups[i].Line = i + 1
		}
		second, err := haconf.ParseResources("file", []byte(again.String()), milos)
		if err != nil || !reflect.DeepEqual(second, groups) {
			t.Errorf("understood %q as %q: %v", text, again.String(), err)
		}
	})
}

// FuzzParseKeys: what the parser accepts can sign.
func FuzzParseKeys(f *testing.F) {
	f.Add(read(f, "testdata/seed/authkeys"))
	f.Add([]byte("# c\nauth 15\n1 md5 old\n15 sha1 new # x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := haconf.ParseKeys("file", text, 0o600)
		if err != nil {
			explained(t, err)
			return
		}
		if _, err := keys.Sign(hbwire.Message{}, hbwire.Classic); err != nil {
			t.Errorf("accepted %q, which cannot sign: %v", text, err)
		}
	})
}
