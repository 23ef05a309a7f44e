package drbdadm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/cmd/pollux/drbdadm"
	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// daemon answers in place of polluxd.
type daemon struct {
	resource node.ResourceStatus
	answer   control.Answer
	orders   []string
}

func (d *daemon) Status(_ context.Context, v any) error {
	*v.(*node.Status) = node.Status{Node: "milo1", Peer: "milo2", Resources: []node.ResourceStatus{d.resource}}
	return nil
}

func (d *daemon) Order(_ context.Context, o control.Order) (control.Answer, error) {
	d.orders = append(d.orders, strings.TrimSpace(fmt.Sprint(o.Order, " ", o.Resource, map[bool]string{true: " by force"}[o.Force])))
	d.resource.Down = d.resource.Down && o.Order != "new-minor"
	return d.answer, nil
}

func (d *daemon) Follow(context.Context, func() error, func(json.RawMessage)) error { return nil }

// resource is r1 in a state, as milo1 sees it: cs, ro, ds.
func resource(t *testing.T, node1, states string) node.ResourceStatus {
	t.Helper()
	g := NewWithT(t)
	r := node.ResourceStatus{
		Name: "r1", Minor: 1, Protocol: "C", SizeKiB: 393168,
		Address: "ipv4:192.168.0.1:7789", PeerAddress: "ipv4:192.168.0.2:7789",
		Generations: [4]string{"7635AB33E6C626D3", "0000000000000000", "A6DA10A061DFF0A7", "A6D910A061DFF0A6"},
		MetaFlags: uint32(drbdmeta.MDConsistent | drbdmeta.MDWasUpToDate | drbdmeta.MDPrimaryInd | drbdmeta.MDConnectedInd |
			drbdmeta.MDCrashedPrimary),
	}
	if node1 == "milo2" {
		r.Address, r.PeerAddress = r.PeerAddress, r.Address
	}
	if states == "down" {
		states, r.Down = "StandAlone Secondary/Unknown Diskless/DUnknown", true
	}
	words := strings.FieldsFunc(states, func(c rune) bool { return c == ' ' || c == '/' })
	var s drbdwire.State
	var err [5]error
	s.Conn, err[0] = drbdwire.ParseConnState(words[0])
	s.Role, err[1] = drbdwire.ParseRole(words[1])
	s.Peer, err[2] = drbdwire.ParseRole(words[2])
	s.Disk, err[3] = drbdwire.ParseDiskState(words[3])
	s.PeerDisk, err[4] = drbdwire.ParseDiskState(words[4])
	g.Expect(err[:]).To(HaveEach(BeNil()))
	r.StateWord = s.Pack()
	return r
}

// run runs drbdadm, or drbdsetup, as a shell would; file is in place of
// /dev/vda.
func run(t *testing.T, d *daemon, host, file, line string) (stdout, stderr string, status int) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/r1.res")
	g.Expect(err).NotTo(HaveOccurred())
	if file != "" {
		text = bytes.ReplaceAll(text, []byte("/dev/vda"), []byte(file))
	}
	g.Expect(os.Mkdir(filepath.Join(dir, "drbd.d"), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.d", "r1.res"), text, 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte("include \"drbd.d/*.res\";\n"), 0o600)).To(Succeed())
	nothing, err := os.Open(os.DevNull)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = nothing.Close() }()

	var out, complaints bytes.Buffer
	setup := &drbdsetup.Tool{
		Stdout: &out, Stderr: &complaints, Dial: func() (drbdsetup.Daemon, error) { return d, nil },
	}
	tool := drbdadm.Tool{
		Stdout: &out, Stderr: &complaints, Stdin: nothing, ConfigDir: dir, Node: host, Setup: setup,
	}
	words := strings.Fields(strings.TrimSuffix(line, " </dev/null"))
	if words[0] == "drbdsetup" {
		status = setup.Run(t.Context(), words[1:])
	} else {
		status = tool.Run(t.Context(), words[1:])
	}
	asRecorded := func(b *bytes.Buffer) string {
		s := strings.ReplaceAll(b.String(), dir, "/etc")
		if file != "" {
			s = strings.ReplaceAll(s, file, "/dev/vda")
		}
		return s
	}
	return asRecorded(&out), asRecorded(&complaints), status
}

// states are those that the recordings were made in.
var states = map[string]string{
	"connected-inconsistent": "Connected Secondary/Secondary Inconsistent/Inconsistent",
	"wfconnection":           "WFConnection Secondary/Unknown Inconsistent/DUnknown",
	"peer-dead":              "WFConnection Primary/Unknown UpToDate/DUnknown",
	"primary":                "Connected Primary/Secondary UpToDate/UpToDate",
	"secondary":              "Connected Secondary/Primary UpToDate/UpToDate",
	"both-secondary":         "Connected Secondary/Secondary UpToDate/UpToDate",
	"standalone":             "StandAlone Secondary/Unknown UpToDate/DUnknown",
	"alone-inconsistent":     "WFConnection Secondary/Unknown Inconsistent/DUnknown",
	"synctarget":             "SyncTarget Secondary/Primary Inconsistent/UpToDate",
	"down":                   "down",
}

// TestWhatWasRecordedIsPrintedAgain holds the tool to what DRBD's own said, to
// the byte.
func TestWhatWasRecordedIsPrintedAgain(t *testing.T) {
	inUse := control.Answer{Code: int(drbdwire.DeviceInUse)}
	stale := control.Answer{Code: int(drbdwire.NoUpToDateDisk)}
	two := control.Answer{Code: int(drbdwire.TwoPrimaries)}
	done := control.Answer{OK: true}
	for name, tc := range map[string]struct {
		state  string
		answer control.Answer
		orders []string
	}{
		"role-connected-inconsistent":     {state: "connected-inconsistent"},
		"role-peer-dead":                  {state: "peer-dead"},
		"role-primary":                    {state: "primary"},
		"role-secondary":                  {state: "secondary"},
		"role-secondary-secondary":        {state: "both-secondary"},
		"role-unconfigured":               {state: "down"},
		"cstate-connected-inconsistent":   {state: "connected-inconsistent"},
		"cstate-peer-dead":                {state: "peer-dead"},
		"cstate-primary":                  {state: "primary"},
		"cstate-secondary":                {state: "secondary"},
		"cstate-unconfigured":             {state: "down"},
		"dstate-connected-inconsistent":   {state: "connected-inconsistent"},
		"dstate-peer-dead":                {state: "peer-dead"},
		"dstate-primary":                  {state: "primary"},
		"dstate-secondary":                {state: "secondary"},
		"status-connected-inconsistent":   {state: "connected-inconsistent"},
		"status-peer-dead":                {state: "peer-dead"},
		"status-primary":                  {state: "primary"},
		"status-secondary":                {state: "secondary"},
		"status-wfconnection":             {state: "wfconnection"},
		"status-unconfigured":             {state: "down"},
		"status-verbose":                  {state: "primary"},
		"events2-now":                     {state: "primary"},
		"get-gi":                          {state: "primary"},
		"show-gi":                         {state: "primary"},
		"dump":                            {state: "down"},
		"dump-xml":                        {state: "down"},
		"unknown-resource":                {state: "down"},
		"disconnect-again":                {state: "standalone"},
		"disconnect":                      {"primary", done, []string{"disconnect r1"}},
		"down-domu-running":               {"primary", inUse, []string{"down r1"}},
		"down-vg-active":                  {"primary", inUse, []string{"down r1"}},
		"down-after-failed-up":            {"standalone", done, []string{"down r1"}},
		"primary":                         {"both-secondary", done, []string{"primary r1"}},
		"primary-already":                 {"primary", done, []string{"primary r1"}},
		"primary-force":                   {"connected-inconsistent", done, []string{"primary r1 by force"}},
		"primary-force-peer-primary":      {"secondary", two, []string{"primary r1 by force"}},
		"primary-inconsistent":            {"connected-inconsistent", stale, []string{"primary r1"}},
		"primary-inconsistent-alone":      {"alone-inconsistent", stale, []string{"primary r1"}},
		"primary-peer-primary":            {"secondary", two, []string{"primary r1"}},
		"primary-peer-dead-undetected":    {"both-secondary", done, []string{"primary r1"}},
		"primary-synctarget-peer-primary": {"synctarget", two, []string{"primary r1"}},
		"secondary":                       {"primary", done, []string{"secondary r1"}},
		"secondary-already":               {"secondary", done, []string{"secondary r1"}},
		"secondary-domu-running":          {"primary", inUse, []string{"secondary r1"}},
		"secondary-vg-active":             {"primary", inUse, []string{"secondary r1"}},
		"up-again":                        {state: "primary"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			rec, err := recorded.Load("testdata/recorded/" + name + ".txt")
			g.Expect(err).NotTo(HaveOccurred())
			d := &daemon{resource: resource(t, rec.Host, states[tc.state]), answer: tc.answer}
			stdout, stderr, status := run(t, d, rec.Host, "", rec.Command)
			g.Expect(stdout).To(Equal(string(rec.Stdout)))
			g.Expect(stderr).To(Equal(string(rec.Stderr)))
			g.Expect(status).To(Equal(rec.Code))
			g.Expect(d.orders).To(Equal(tc.orders))
		})
	}
}

// TestMetadataIsMadeAsDrbdmetaDoes is about a disk of the size that was
// recorded.
func TestMetadataIsMadeAsDrbdmetaDoes(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "vda")
	NewWithT(t).Expect(os.WriteFile(disk, nil, 0o600)).To(Succeed())
	NewWithT(t).Expect(os.Truncate(disk, 384<<20)).To(Succeed())
	for _, name := range []string{"up-no-metadata", "create-md-blank", "create-md-again", "up"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			rec, err := recorded.Load("testdata/recorded/" + name + ".txt")
			g.Expect(err).NotTo(HaveOccurred())
			d := &daemon{resource: resource(t, rec.Host, "down"), answer: control.Answer{OK: true}}
			stdout, stderr, status := run(t, d, rec.Host, disk, rec.Command)
			g.Expect(stdout).To(Equal(string(rec.Stdout)))
			g.Expect(stderr).To(Equal(string(rec.Stderr)))
			g.Expect(status).To(Equal(rec.Code))
			if name == "up" {
				g.Expect(d.orders).To(Equal([]string{"new-minor r1", "attach r1", "connect r1"}))
			}
		})
	}
}
