package drbdconf_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// FuzzParse holds that no text makes Parse panic or run away, and that what it
// accepts is dumped as a text that means the same and is dumped as itself.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.conf", "testdata/drbdadm/*", "testdata/recorded.txt"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Add(resource("connection x { path { host milo1 address 10.9.0.1:7000; host milo2 port 1; } volume 0 { " +
		"disk { size 1; } } }"))
	f.Add(resource("syncer { group 1; rate 3s; after r1; }\n disk { on-io-error panic; }\n net { " +
		"on-disconnect freeze_io; }"))
	f.Add(numbered("a", "1", "syncer { group 1; }") + numbered("b", "2", "disk { resync-after \"\"; }"))
	f.Add(`resource r1 { device minor 3; disk "a b"; flexible-meta-disk internal; floating ipv6 [::1%x]:1; ` +
		`floating ipv6 [::2]:1; }`)
	f.Add("include *; include " + conf + "; skip { }")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if err != nil {
			return
		}
		dump := c.Dump()
		again, err := parse(dump)
		if err != nil {
			t.Fatalf("%v\nin the dump\n%s\nof\n%s", err, dump, text)
		}
		if !reflect.DeepEqual(withoutPlaces(again), withoutPlaces(c)) {
			t.Fatalf("another meaning, %+v\nafter %+v\nof the dump\n%s\nof\n%s", again, c, dump, text)
		}
		if second := again.Dump(); second != dump {
			t.Fatalf("dump\n%s\nof dump\n%s", second, dump)
		}
		for i := range c.Resources {
			if d := drbdconf.Difference(&c.Resources[i], &again.Resources[i]); d != "" {
				t.Fatalf("difference %s\nof\n%s", d, text)
			}
		}
	})
}
