package trial_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/trial"
)

// verb is how a fault is shown to do something.
type verb struct {
	node     string // milo2 unless given
	settings string
	before   string // faults that make it possible
	// seen is in the trace if it does; without it, another run than without the fault
	// is enough.
	seen string
}

// verbs has what is special about some kinds.
var verbs = map[plan.Kind]verb{
	plan.Power:      {seen: "milo2 loses power"},
	plan.Crash:      {seen: "milo2 crashes"},
	plan.Pause:      {seen: "milo2 pauses"},
	plan.Sleep:      {seen: "milo2 pauses"},
	plan.Standby:    {node: "milo1"},
	plan.Push:       {node: "milo1"},
	plan.Freeze:     {node: "milo1"},
	plan.Die:        {node: "milo1", settings: "set monitor 10s\nset restarts 3\nset period 60s\n", seen: "the guest on milo1 dies"},
	plan.Verify:     {settings: "set verify-alg sha1\n"},
	plan.Rot:        {settings: "set verify-alg sha1\n", seen: "disk of milo2 rots"},
	plan.Damage:     {node: "milo1", settings: "set data-integrity-alg sha1\n"},
	plan.BadMeta:    {before: "on milo2 Connected +40s break milo1\n"},
	plan.BadSpots:   {seen: "milo2 can't read"},
	plan.BadRange:   {node: "milo1"},
	plan.Unstored:   {settings: "set verify-alg sha1\n", seen: "milo2 loses a write"},
	plan.Astray:     {settings: "set verify-alg sha1\n", seen: "milo2 writes"},
	plan.OldDisk:    {settings: "set verify-alg sha1\n", seen: "milo2 has the disk of a while ago"},
	plan.CutWitness: {settings: "set policy witness\n"},
	plan.DeadFence:  {settings: "set stonith yes\n", before: "30s power milo1 20s\n", seen: "the device does nothing"},
	plan.Crowd:      {seen: "others take the memory of milo2"},
	plan.Abort:      {settings: "set verify-alg sha1\n", before: "32s verify milo2\n"},
	plan.Suspend:    {before: "30s power milo2 2s\n"},
	plan.Demote:     {node: "milo1", seen: `"pollux standby" gives it to the peer`},
	plan.Renew:      {node: "milo1", seen: "new-current-uuid"},
}

// Every kind of fault does something: at a time, and on a trigger, whenever that comes.
func TestEveryVerb(t *testing.T) {
	if trial.Planted {
		t.Skip("the cores have planted bugs, and one world runs at a time")
	}
	for k := plan.Power; k < plan.Kinds; k++ {
		v := verbs[k]
		if v.node == "" {
			v.node = "milo2"
		}
		for _, moment := range []string{"32.5s", "on milo1 ack #60", "on milo1 ack #150 +500ms"} {
			t.Run(fmt.Sprintf("%s %v", moment, k), func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				line := fmt.Sprintf("%s %v %s", moment, k, v.node)
				if k.Lasts() {
					line += " 60s"
				}
				with, trace := play(g, v, line)
				without, _ := play(g, v, "")
				g.Expect(with.Missed).To(BeEmpty())
				switch {
				case v.seen != "":
					g.Expect(trace).To(ContainSubstring(v.seen))
				case k != plan.Wall: // no run depends on what it says, as another test shows
					g.Expect(with.Hash).NotTo(Equal(without.Hash), "nothing has happened")
				}
			})
		}
	}
}

// play runs a plan in the world of a verb.
func play(g Gomega, v verb, line string) (trial.Result, string) {
	s, err := plan.ParseScenario("seed 1\nprofile page\nset apart yes\nset calm 60s\n" + v.settings + v.before + line)
	g.Expect(err).NotTo(HaveOccurred())
	var trace strings.Builder
	opt := trial.OptionsOf(s)
	opt.Trace = func(line string) { trace.WriteString(line + "\n") }
	r := trial.Run(s.Seed, opt)
	g.Expect(r.Broken).NotTo(HaveOccurred())
	return r, trace.String()
}
