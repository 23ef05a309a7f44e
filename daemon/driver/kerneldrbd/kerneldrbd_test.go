package kerneldrbd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/driver/kerneldrbd"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// tools answer command lines with recordings.
func tools(t *testing.T, answers map[string]string) command.Runner {
	t.Helper()
	return func(_ context.Context, p command.Program) (command.Result, error) {
		name, ok := answers[p.String()]
		if !ok {
			t.Errorf("%s was run", p)
			return command.Result{Code: -1}, errors.New("not recorded")
		}
		if text, isText := strings.CutPrefix(name, "="); isText {
			return command.Exited(p, 0, []byte(text), nil)
		}
		rec, err := recorded.Load("testdata/" + name + ".txt")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return rec.Answer(p)
	}
}

func resource(run command.Runner) kerneldrbd.Resource {
	return kerneldrbd.Resource{Name: "r1", Conf: "/run/pollux/r1.conf", Run: run}
}

const (
	events = "drbdsetup events2 --now --statistics"
	gi     = "drbdadm -c /run/pollux/r1.conf get-gi r1"
)

func TestTheStateIsWhatTheDumpSays(t *testing.T) {
	g := NewWithT(t)
	seen, err := resource(tools(t, map[string]string{events: "events2-now", gi: "get-gi"})).Look(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen).To(Equal(kerneldrbd.Seen{
		State: drbdwire.State{
			Role: drbdwire.Primary, Peer: drbdwire.Secondary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate,
			PeerDisk: drbdwire.UpToDate,
		},
		Generation: 0x7635AB33E6C626D3,
	}))
}

func TestAResourceThatIsNotUp(t *testing.T) {
	g := NewWithT(t)
	other := "=exists resource name:r2 role:Primary suspended:no\nexists device name:r2 volume:0 minor:2 disk:UpToDate size:7\nexists -\n"
	seen, err := resource(tools(t, map[string]string{events: other})).Look(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen).To(Equal(kerneldrbd.Seen{
		State: drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown},
	}))
}

// TestWhatCanNotBeReadIsNoState: on Stopped the other node may start.
func TestWhatCanNotBeReadIsNoState(t *testing.T) {
	for name, text := range map[string]string{
		"half a dump": "=exists resource name:r1 role:Primary suspended:no\n",
		"nothing":     "=",
		"nonsense":    "=exists resource name:r1 role:Splendid suspended:no\nexists -\n",
		"no event":    "=help\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resource(tools(t, map[string]string{events: text})).Look(t.Context())
			NewWithT(t).Expect(err).To(MatchError(HavePrefix("state of resource r1: ")))
		})
	}
}

func TestOrdersAreDrbdadms(t *testing.T) {
	for name, tc := range map[string]struct {
		order     replica.OrderKind
		force     bool
		line, rec string
		code      drbdwire.Code
		text      string
	}{
		"a promotion":       {replica.OrderPrimary, false, "primary r1", "primary", drbdwire.Success, ""},
		"one by force":      {replica.OrderPrimary, true, "primary --force r1", "primary", drbdwire.Success, ""},
		"a demotion":        {replica.OrderSecondary, false, "secondary r1", "secondary", drbdwire.Success, ""},
		"giving up data":    {replica.OrderConnect, true, "connect --discard-my-data r1", "up", drbdwire.Success, ""},
		"a device in use":   {replica.OrderSecondary, false, "secondary r1", "secondary-domu-running", drbdwire.DeviceInUse, "Device is held open by someone"},
		"bad data":          {replica.OrderPrimary, false, "primary r1", "primary-inconsistent", drbdwire.NoUpToDateDisk, "Need access to UpToDate data"},
		"a Primary peer":    {replica.OrderPrimary, false, "primary r1", "primary-peer-primary", drbdwire.TwoPrimaries, "Multiple primaries"},
		"another failure":   {replica.OrderDisconnect, false, "disconnect r1", "disconnect-again", 0, "unknown connection"},
		"a new generation":  {replica.OrderNewCurrentUUID, true, "new-current-uuid --clear-bitmap r1/0", "primary", drbdwire.Success, ""},
		"what it can't do":  {replica.OrderShutdown, false, "", "", drbdwire.NotSupported, "no such order"},
		"putting it in old": {replica.OrderOutdate, false, "outdate r1", "secondary", drbdwire.Success, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			run := tools(t, map[string]string{"drbdadm -c /run/pollux/r1.conf " + tc.line: tc.rec})
			code, text := resource(run).Order(t.Context(), tc.order, tc.force)
			g.Expect(code).To(Equal(tc.code))
			g.Expect(text).To(ContainSubstring(tc.text))
		})
	}
}

func TestUpAndDown(t *testing.T) {
	g := NewWithT(t)
	r := resource(tools(t, map[string]string{
		"drbdadm -c /run/pollux/r1.conf adjust r1": "up", "drbdadm -c /run/pollux/r1.conf down r1": "up",
	}))
	g.Expect(r.Up(t.Context())).To(Succeed())
	g.Expect(r.Down(t.Context())).To(Succeed())
}

func TestEventsSayWhenToLook(t *testing.T) {
	g := NewWithT(t)
	r := resource(nil)
	r.Stream = func(_ context.Context, p command.Program, f func(string)) error {
		g.Expect(p.String()).To(Equal("drbdsetup events2"))
		for line := range strings.Lines(`exists resource name:r1 role:Primary suspended:no
exists device name:r1 volume:0 minor:1 disk:UpToDate
exists -
change resource name:r2 role:Secondary
change resource name:r1 role:Secondary
- skipped 2
`) {
			f(strings.TrimSuffix(line, "\n"))
		}
		return errors.New("it ended")
	}
	looked := 0
	g.Expect(r.Watch(t.Context(), func() { looked++ })).To(MatchError("it ended"))
	g.Expect(looked).To(Equal(3), "after the dump, after r1's change, after lost events")
}

func TestTheToolsMustNotBePollux(t *testing.T) {
	g := NewWithT(t)
	const line = "drbdadm --version"
	g.Expect(kerneldrbd.Available(t.Context(), tools(t, map[string]string{line: "version"}))).To(Succeed())
	ours := "=DRBDADM_BUILDTAG=pollux\nDRBDADM_API_VERSION=1\n"
	g.Expect(kerneldrbd.Available(t.Context(), tools(t, map[string]string{line: ours}))).To(MatchError(kerneldrbd.ErrOurs))
	missing := func(_ context.Context, p command.Program) (command.Result, error) {
		return command.Exited(p, 127, nil, nil)
	}
	g.Expect(kerneldrbd.Available(t.Context(), missing)).To(MatchError(HavePrefix("the kernel's DRBD needs drbd-utils: ")))
}
