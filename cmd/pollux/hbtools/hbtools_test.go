package hbtools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/cmd/pollux/hbtools"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

// fake is a daemon with that status, which refuses orders.
type fake struct {
	status node.Status
	orders []control.Order
	answer control.Answer
}

func (f *fake) Status(_ context.Context, v any) error {
	text, err := json.Marshal(f.status)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func (f *fake) Order(_ context.Context, o control.Order) (control.Answer, error) {
	f.orders = append(f.orders, o)
	return f.answer, nil
}

const haCF = "node milo1 milo2\nkeepalive 200ms\ndeadtime 2\ninitdead 4\nucast eth0 192.168.0.1\nauto_failback on\n"

// tool is a command beside that daemon, or beside none.
func tool(d *fake) (t *hbtools.Tool, out, complaints *bytes.Buffer) {
	out, complaints = &bytes.Buffer{}, &bytes.Buffer{}
	return &hbtools.Tool{
		Stdout: out, Stderr: complaints, Node: "milo1",
		Dial: func() (hbtools.Daemon, error) {
			if d == nil {
				return nil, errors.New("polluxd is not running")
			}
			return d, nil
		},
		HA: func() (*haconf.HA, error) { return haconf.ParseHA("ha.cf", []byte(haCF)) },
	}, out, complaints
}

func running() *fake {
	link := []node.LinkStatus{{Medium: "eth0", Up: true}}
	return &fake{status: node.Status{Node: "milo1", Cluster: &node.ClusterStatus{
		CommsUp: true, Holding: "local", Nodes: []node.Member{
			{Name: "milo1", Type: "normal", State: "active", Links: link},
			{Name: "milo2", Type: "normal", State: "active", Links: link},
			{Name: "gate", Type: "ping", State: "ping", Links: []node.LinkStatus{{Medium: "gate", Up: true}}},
		},
	}}}
}

var stamp = regexp.MustCompile(`(?m)^\w+ +\d+ [0-9:]+ milo1 cl_status: \[\d+\]: `)

// What the cl_status of Debian's package printed with this ha.cf, on milo1, but for the ping node.
func TestClStatus(t *testing.T) {
	for ask, want := range map[string]struct {
		status      int
		out, errors string
	}{
		"hbstatus":            {0, "Heartbeat is running on this machine.\n", ""},
		"listnodes -n":        {0, "milo2\nmilo1\n", ""},
		"listnodes -p":        {0, "gate\n", ""},
		"listnodes -v -n":     {0, "\nmilo2\tactive\t(nodetype: normal)\n\teth0\tup\n\nmilo1\tactive\t(nodetype: normal)\n\teth0\tup\n", ""},
		"nodestatus milo1":    {0, "active\n", ""},
		"nodestatus -m milo1": {0, "The cluster node milo1 is active\n", ""},
		"nodestatus gate":     {0, "ping\n", ""},
		"nodestatus milo9":    {11, "", "Error. May be due to incorrect node name\n"},
		"nodestatus":          {11, "", "Not enough parameters.\n"},
		"nodetype -m milo1":   {0, "The node milo1's type: normal\n", ""},
		"nodeweight -m milo1": {0, "The weight of the cluster node milo1 is 100\n", ""},
		"nodesite milo1":      {0, "\n", ""},
		"listhblinks milo1":   {0, "\teth0\n", ""},
		"listhblinks -m milo2": {
			0, "\tthis node has the following heartbeat links:\n\teth0\n", "",
		},
		"listhblinks milo9": {
			13, "", "ERROR: Cannot start heartbeat link interface walk.\nERROR: REASON: EINVAL\n",
		},
		"hblinkstatus milo2 eth0":       {0, "up\n", ""},
		"hblinkstatus -m milo2 eth0":    {0, "The node milo2's heartbeat link eth0 is up\n", ""},
		"hblinkstatus milo2 eth9":       {13, "", "ERROR: Cannot get heartbeat link status\nERROR: REASON: \n"},
		"hblinkstatus milo2":            {11, "", "No enough parameter.\n"},
		"rscstatus":                     {0, "local\n", ""},
		"rscstatus -m":                  {0, "This node is holding local resources.\n", ""},
		"hbparameter -p deadtime":       {0, "2\n", ""},
		"hbparameter -m -p keepalive":   {0, "Heartbeat parameter keepalive's value: 200ms\n", ""},
		"hbparameter -p warntime":       {0, "1000ms\n", ""},
		"hbparameter -p udpport":        {0, "694\n", ""},
		"hbparameter -p maintenance":    {0, "off\n", ""},
		"hbparameter -p nonsense":       {1, "", "ERROR: Cannot get parameter nonsense's value\nERROR: REASON: \n"},
		"hbparameter":                   {11, "", "ERROR: parameter name required\n"},
		"clientstatus milo1 ipfail 500": {1, "offline\n", ""},
		"test":                          {0, "Dead time: 2000\n keeplive time: 200\n mynodeid: milo1\n rsc: local\n", ""},
		"nonsense":                      {11, "", "ERROR: nonsense: invalid sub-command.\n"},
	} {
		t.Run(ask, func(t *testing.T) {
			g := NewWithT(t)
			tool, out, complaints := tool(running())
			g.Expect(tool.Status(t.Context(), strings.Fields(ask))).To(Equal(want.status))
			g.Expect(out.String()).To(Equal(want.out))
			text := stamp.ReplaceAllString(complaints.String(), "")
			g.Expect(text).To(Equal(want.errors))
		})
	}
}

func TestClStatusInMaintenance(t *testing.T) {
	g := NewWithT(t)
	d := running()
	d.status.Cluster.Maintenance = true
	cl, out, _ := tool(d)
	g.Expect(cl.Status(t.Context(), []string{"hbparameter", "-p", "maintenance"})).To(BeZero())
	g.Expect(cl.Status(t.Context(), []string{"hbstatus"})).To(BeZero())
	g.Expect(out.String()).To(Equal("on\nHeartbeat is running on this machine.\n"))
	out.Reset()
	g.Expect(cl.Status(t.Context(), []string{"hbstatus", "-v"})).To(BeZero())
	g.Expect(out.String()).To(HavePrefix("version:\t3.0.6 (pollux)\nmanaged by:\t\"haresources\"\nmaintenance:\ton\n"))
}

func TestClStatusWithoutADaemon(t *testing.T) {
	g := NewWithT(t)
	cl, out, complaints := tool(nil)
	g.Expect(cl.Status(t.Context(), []string{"hbstatus"})).To(Equal(1))
	g.Expect(out.String()).To(Equal("Heartbeat is stopped on this machine.\n"))
	g.Expect(cl.Status(t.Context(), []string{"rscstatus"})).To(Equal(1))
	g.Expect(stamp.ReplaceAllString(complaints.String(), "")).To(Equal(
		"ERROR: Cannot signon with heartbeat\nERROR: REASON: hb_api_signon: Can't initiate connection to heartbeat\n"))
	early := running()
	early.status.Cluster.CommsUp = false
	cl, out, _ = tool(early)
	g.Expect(cl.Status(t.Context(), []string{"hbstatus"})).To(Equal(1), "nobody gets in before communication is up")
	g.Expect(out.String()).To(ContainSubstring("stopped"))
}

func TestMoves(t *testing.T) {
	g := NewWithT(t)
	d := running()
	d.answer = control.Answer{OK: true}
	hb, _, complaints := tool(d)
	g.Expect(hb.Move(t.Context(), "/usr/bin/hb_standby", []string{"failback"})).To(BeZero())
	g.Expect(hb.Move(t.Context(), "hb_takeover", nil)).To(BeZero())
	g.Expect(d.orders).To(Equal([]control.Order{
		{Order: "standby", Args: []string{"failback"}}, {Order: "takeover", Args: []string{"all"}},
	}))
	g.Expect(complaints.String()).To(HaveSuffix(" Going standby [failback].\n"))
	d.answer = control.Answer{Text: "milo2 is not there"}
	g.Expect(hb.Move(t.Context(), "hb_standby", nil)).To(Equal(1))
	g.Expect(complaints.String()).To(HaveSuffix("hb_standby: milo2 is not there\n"))
}

func TestMovesThatMeanNothing(t *testing.T) {
	for line, want := range map[string]string{
		"nonsense":  "hb_standby: wrong resources(nonsense).\nusage:\n",
		"all local": "hb_standby: too many arguments\nusage:\n",
		"--help":    "usage:\n",
	} {
		g := NewWithT(t)
		hb, out, complaints := tool(nil)
		g.Expect(hb.Move(t.Context(), "hb_standby", strings.Fields(line))).To(Equal(1))
		g.Expect(out.String()).To(Equal(want))
		g.Expect(complaints.String()).To(Equal("hb_standby [all|foreign|local|failback]\n"))
	}
}
