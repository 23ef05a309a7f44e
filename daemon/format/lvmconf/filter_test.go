package lvmconf_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/lvmconf"
)

func TestFiltersJudgeAsLVMDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/filters.txt")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var names []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if list, ok := strings.CutPrefix(line, "devices "); ok {
			names = strings.Fields(list)
		}
		filter, want, ok := strings.Cut(line, " =>")
		if !ok {
			continue
		}
		t.Run(filter, func(t *testing.T) {
			g := NewWithT(t)
			d, err := devices("devices { filter = " + filter + " }")
			if want == " refused" {
				g.Expect(err).To(HaveOccurred())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			var rejected []string
			for _, n := range names {
				if !d.Judge("/dev/" + n).Accepted {
					rejected = append(rejected, n)
				}
			}
			g.Expect(rejected).To(Equal(append([]string(nil), strings.Fields(want)...)))
		})
	}
}

// Each line was tried with LVM 2.03.16 and a link from /dev/zlink to /dev/sda3.
func TestADeviceWithSeveralNames(t *testing.T) {
	for text, accepted := range map[string]bool{
		`filter = [ "r|sda3|" ]`:                              false,
		`filter = [ "r|zlink|" ]`:                             false,
		`filter = [ "a|zlink|", "r|sda3|" ]`:                  true,
		`filter = [ "r|sda3|", "a|zlink|" ]`:                  true,
		`filter = [ "a|sda3|", "r|zlink|" ]`:                  true,
		`filter = [ "a|sda3|" ] global_filter = [ "r|sda|" ]`: false,
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			d, err := devices("devices { " + text + " }")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(d.Judge("/dev/sda3", "/dev/zlink").Accepted).To(Equal(accepted))
		})
	}
}

// FuzzFilter holds that no pattern panics, and that plain ones match what Go's
// regular expressions match.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"/dev/drbd1", "^/dev/(sd|hd)[a-z]+[0-9]?$", "a**|b", "[^x]", "((a|b)*c|d+)?e",
		`\.`, "[b-", "((",
	} {
		f.Add(s, "/dev/drbd1")
	}
	plain := regexp.MustCompile(`^[a-z/0-9|().]*$`)
	f.Fuzz(func(t *testing.T, pattern, name string) {
		c, err := lvmconf.Parse(conf, []byte("devices { filter = 'a\x01"+pattern+"\x01' }"))
		if err != nil {
			return
		}
		d, err := c.Devices()
		if err != nil || len(d.Filter) != 1 {
			return
		}
		got := d.Filter[0].Match(name)
		if strings.Contains(pattern, ".") || !plain.MatchString(pattern) || !plain.MatchString(name) {
			return
		}
		if want := regexp.MustCompile(pattern).MatchString(name); got != want {
			t.Errorf("pattern %q finds %v in %q, want %v", pattern, got, name, want)
		}
	})
}

// FuzzParse holds that no text makes the reader panic or run away.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/seed.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("a { b = [ 1, -2.5, 'x', \"y\\\"\" ] c/d = @e }\n# f")
	f.Fuzz(func(_ *testing.T, text string) {
		if d, err := devices(text); err == nil {
			_ = d.Judge("/dev/sda3", "/dev/disk/by-id/x").String()
		}
	})
}
