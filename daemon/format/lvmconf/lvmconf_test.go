package lvmconf_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/lvmconf"
)

const conf = "/etc/lvm/lvm.conf"

// devices reads a text and gives section devices its types.
func devices(text string) (*lvmconf.Devices, error) {
	c, err := lvmconf.Parse(conf, []byte(text))
	if err != nil {
		return nil, err
	}
	return c.Devices()
}

func TestSeed(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("testdata/seed.conf")
	g.Expect(err).NotTo(HaveOccurred())
	d, err := devices(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Types).To(Equal([]lvmconf.DeviceType{
		{Name: "drbd", Partitions: 16, Pos: lvmconf.Pos{File: conf, Line: 4, Col: 13}},
	}))
	g.Expect(d.Scan).To(Equal([]string{"/dev"}))
	g.Expect(d.Dir).To(Equal("/dev"))
	g.Expect(d.DevicesFile).To(Equal("system.devices"))
	g.Expect(d.UseDevicesFile).To(BeNil())
	for name, want := range map[string]string{
		"/dev/sda3":  `rejected as /dev/sda3 by "r|/dev/sda3|" (/etc/lvm/lvm.conf:3:31)`,
		"/dev/drbd1": `accepted as /dev/drbd1 by "a|/dev/drbd1|" (/etc/lvm/lvm.conf:3:47)`,
		"/dev/hdd3":  "accepted, because no pattern matches",
	} {
		g.Expect(d.Judge(name).String()).To(Equal(want))
	}
}

// What lvmconfig --type full devices printed, with tabs and without blanks.
func TestSettingsAsLVMPrintsThem(t *testing.T) {
	g := NewWithT(t)
	d, err := devices(`devices {
	dir="/dev"
	global_filter=["a|^/dev/nbd0$|","r|.*|"]
	obtain_device_list_from_udev=0
	scan=["/dev"]
	use_devicesfile=0
	devicesfile="system.devices"
	filter=["a|.*|"]
	cache_file_prefix=""
}
`)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.UseDevicesFile).To(HaveValue(BeFalse()))
	g.Expect(d.Judge("/dev/nbd0").String()).To(Equal(`accepted as /dev/nbd0 by "a|.*|" (/etc/lvm/lvm.conf:8:10)`))
	g.Expect(d.Judge("/dev/nbd1").String()).To(Equal(`rejected as /dev/nbd1 by "r|.*|" (/etc/lvm/lvm.conf:3:34)`))
}

func TestSyntax(t *testing.T) {
	for name, tc := range map[string]struct {
		text, path string
		want       []lvmconf.Value
	}{
		"quotes":                    {`a{b="x\"y\\z\n"}`, "a/b", texts(`x"y\z\n`)},
		"quotes without escapes":    {`a{b='x\y"'}`, "a/b", texts(`x\y"`)},
		"a string over two lines":   {"a{b=\"x\ny\"}", "a/b", texts("x\ny")},
		"no quotes":                 {"a{b=x-y/z}", "a/b", texts("x-y/z")},
		"a tag":                     {"a{b=@tag}", "a/b", texts("@tag")},
		"a section in quotes":       {`"a"{b=yes}`, "a/b", texts("yes")},
		"a path for a name":         {"a/b/c=x", "a/b/c", texts("x")},
		"sections in sections":      {"a{b{c=x}}", "a/b/c", texts("x")},
		"a comment before a value":  {"a{b=#c\nx}", "a/b", texts("x")},
		"a comma after the last":    {`a{b=["x","y",]}`, "a/b", texts("x", "y")},
		"an array over lines":       {"a=[x\n,\ny]", "a", texts("x", "y")},
		"an empty array":            {"a{b=[]}", "a/b", nil},
		"the last of two":           {"a{b=x}\na{b=y}", "a/b", texts("y")},
		"odd names":                 {"a_b-c.d;:+9=x", "a_b-c.d;:+9", texts("x")},
		"something after something": {"a{b=1c=x}", "a/c", texts("x")},
		"whole numbers": {
			"a=[1,-2,007]", "a",
			[]lvmconf.Value{
				{Kind: lvmconf.Int, Text: "1", Int: 1},
				{Kind: lvmconf.Int, Text: "-2", Int: -2},
				{Kind: lvmconf.Int, Text: "007", Int: 7},
			},
		},
		"other numbers": {
			"a=[1.5,.5,1.]", "a",
			[]lvmconf.Value{
				{Kind: lvmconf.Float, Text: "1.5"}, {Kind: lvmconf.Float, Text: ".5"}, {Kind: lvmconf.Float, Text: "1."},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := lvmconf.Parse(conf, []byte(tc.text))
			g.Expect(err).NotTo(HaveOccurred())
			s, ok := c.Lookup(tc.path)
			g.Expect(ok).To(BeTrue())
			for i := range s.Values {
				s.Values[i].Pos = lvmconf.Pos{}
			}
			g.Expect(s.Values).To(Equal(tc.want))
		})
	}
}

func texts(all ...string) (values []lvmconf.Value) {
	for _, s := range all {
		values = append(values, lvmconf.Value{Kind: lvmconf.String, Text: s})
	}
	return values
}

// LVM 2.03.16 refuses the same texts, the filters of course only when used.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no value":               {"a=", ":1:3: found 'end of file', want a value: a string, a number or an array"},
		"a section for a value":  {"a={b=1}", ":1:3: found '{', want a value: a string, a number or an array"},
		"a zero byte":            {"a{b=1}\x00", ":1:7: found '\\x00', want the name of a section or setting"},
		"two names":              {"a b", ":1:3: found 'b', want '=' or '{' after 'a'"},
		"a string for a section": {`a{b "x"}`, `:1:5: found '"', want '=' or '{' after 'a/b'`},
		"an open string":         {"\na{b=\"x\n", ":3:1: found 'end of file', want \" to close the string of line 2"},
		"an open section":        {"a{\nb=1", "found 'end of file', want '}' to close section a of line 1"},
		"a brace too many":       {"a{b=1}}", ":1:7: found '}', want the name of a section or setting"},
		"no comma":               {"a{b=[1 2]}", ":1:8: found '2', want ',' or ']' after a value of an array"},
		"a comma first":          {"a{b=[,1]}", ":1:6: found ',', want a value"},
		"an array in an array":   {"a{b=[[1]]}", ":1:6: found '[', want a value"},
		"two values":             {`a{b="x" "y"}`, `:1:12: found '}', want '=' or '{' after 'a/y'`},
		"half a number":          {"a{b=1x}", ":1:7: found '}', want '=' or '{' after 'a/x'"},
		"a number too long":      {"a=99999999999999999999", ":1:3: found '99999999999999999999', want a number"},
		"sections without end":   {strings.Repeat("a{", 20), "want at most 16 sections in sections"},

		"a filter that begins wrongly": {
			`devices { filter = [ "x|drbd|" ] }`, ":1:22: found 'x|drbd|', want 'a' or 'r' at the beginning of a pattern",
		},
		"a filter that ends wrongly": {
			`devices { filter = [ "a|drbd" ] }`, ":1:22: found 'a|drbd', want '|' at the end of the pattern too",
		},
		"a bracket that is not closed": {
			`devices { filter = "a(drbd(" }`, "found 'a(drbd(', want ')' at the end of the pattern too",
		},
		"a filter of nothing": {
			`devices { global_filter = "a||" }`,
			"found 'a||', want something to match, not nothing",
		},
		"a group that stays open": {`devices { filter = "a|(x|" }`, "found 'a|(x|', want a ')' for every '('"},
		"a group never opened":    {`devices { filter = "a|x)|" }`, "found 'a|x)|', want a '(' for every ')'"},
		"a class that stays open": {`devices { filter = "a|[x|" }`, "found 'a|[x|', want a ']' for every '['"},
		"a star for nothing":      {`devices { filter = "a|*x|" }`, "found 'a|*x|', want something before '*'"},
		"an empty alternative":    {`devices { filter = "a!x|!" }`, "found 'a!x|!', want something to match, not nothing"},
		"a number for a filter":   {`devices { filter = 1 }`, "found '1', want a pattern such as"},
		"types without numbers":   {`devices { types = [ "drbd" ] }`, `found 'drbd', want pairs of a name and a number`},
		"no flag":                 {`devices { use_devicesfile = "yes" }`, "want 0 or 1"},
		"two directories": {
			`devices { dir = [ "/dev", "/x" ] }`, "found 'devices/dir of 2 strings', want one string",
		},
		"a number to scan": {`devices { scan = [ 1 ] }`, "found '1', want a string for devices/scan"},
		"a pattern without end": {
			`devices { filter = "a|` + strings.Repeat("(", 300) + `x|" }`, "want fewer groups in groups",
		},
		"a pattern too long": {
			`devices { filter = "a|` + strings.Repeat("x", 5000) + `|" }`, "want a pattern of at most 4096 characters",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := devices(tc.text)
			g.Expect(err).To(MatchError(ContainSubstring(tc.want)))
			var e *lvmconf.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(err.Error()).To(HavePrefix(conf + ":"))
		})
	}
}

func TestTooLong(t *testing.T) {
	_, err := lvmconf.Parse(conf, make([]byte, 2<<20))
	NewWithT(t).Expect(err).To(MatchError("read configuration /etc/lvm/lvm.conf: 2097152 bytes, want at most 1048576"))
}

func TestASecondFilterIsNotMeant(t *testing.T) {
	g := NewWithT(t)
	c, err := lvmconf.Parse(conf, []byte("devices {\n  filter = \"r|sda3|\"\n}\ndevices/filter = \"a|.*|\"\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Warnings).To(HaveLen(1))
	g.Expect(c.Warnings[0].String()).To(Equal(
		"/etc/lvm/lvm.conf:2:3: devices/filter is void: it is set again at /etc/lvm/lvm.conf:4:1",
	))
	d, err := c.Devices()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Judge("/dev/sda3").Accepted).To(BeTrue())
}

func TestLocalFileWins(t *testing.T) {
	g := NewWithT(t)
	main, err := lvmconf.Parse(conf, []byte(`devices { filter = "r|sda3|" scan = "/dev" }`))
	g.Expect(err).NotTo(HaveOccurred())
	local, err := lvmconf.Parse("/etc/lvm/lvmlocal.conf", []byte(`devices { filter = "a|.*|" use_devicesfile = 1 }`))
	g.Expect(err).NotTo(HaveOccurred())
	d, err := lvmconf.Merge(main, local).Devices()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.UseDevicesFile).To(HaveValue(BeTrue()))
	v := d.Judge("/dev/sda3")
	g.Expect(v.Accepted).To(BeTrue())
	g.Expect(v.By.Pos.String()).To(Equal("/etc/lvm/lvmlocal.conf:1:20"))
}
