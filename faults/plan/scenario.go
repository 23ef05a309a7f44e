package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Scenario is all that a run depends on, in one text file of lines:
//
//	scenario    = { line "\n" }
//	line        = [ seed | profile | setting | fault | expectation ] [ "#" anything ]
//	seed        = "seed" number                        what is not said is drawn from it; 0 unless given
//	profile     = "profile" word                       what is drawn; see the runner
//	setting     = "set" name value                     words of the runner's
//	fault       = ( time | trigger ) kind node [ time ]    the last time is how long it lasts
//	trigger     = "on" node word [ number "%" ] [ "#" number ] [ "+" time ]
//	expectation = "expect" word ( "=" | "<=" | ">=" ) number
//	node        = "milo1" | "milo2" | "witness" (crash; where it is a store, old-disk, too)
//	time        = a duration as 30.5s, since the start, or since the trigger
//
// A trigger is a word that a node comes to:
//
//	Primary, SyncTarget, UpToDate   a role, or a connection or disk state
//	SyncTarget 50%                  a resync or a verify is that far there
//	write, ack                      a user of the node writes, or has the answer
//	start, stop                     the node begins to start or stop its group
//	P_SYNC_UUID                     the node gets that packet
//	look                            a witness that only stores tells the node what it has,
//	                                for a question that the node will then decide
//
// "#2" is the second time. What strikes only when the faults of a run have ended
// counts as what never came. What a runner can't see, or has nothing for that it
// could happen to, it refuses. Faults with a time stand in the order of time. The
// first lines that begin with "#" say why it matters.
//
//	# The target of a resync loses power.
//	set protocol C
//	30s power milo2 20s
//	on milo2 SyncTarget +200ms power milo2 10s
//	expect resyncs >= 2
type Scenario struct {
	About    string // the comment at its beginning
	Seed     uint64
	Profile  string
	Settings []Setting
	Plan     Plan
	Expect   []Expectation
}

// A Setting gives one thing a value, instead of what the seed draws.
type Setting struct{ Name, Value string }

// An Expectation is about a count of what happened in a run.
type Expectation struct {
	What string
	Op   string // =, <= or >=
	N    int
}

// Holds tells whether a count is as expected.
func (e Expectation) Holds(n int) bool {
	switch e.Op {
	case "<=":
		return n <= e.N
	case ">=":
		return n >= e.N
	default:
		return n == e.N
	}
}

// String is the line in text form.
func (e Expectation) String() string { return fmt.Sprintf("expect %s %s %d", e.What, e.Op, e.N) }

// String is the text form; ParseScenario reads it.
func (s Scenario) String() string {
	var b strings.Builder
	for line := range strings.Lines(s.About) {
		b.WriteString(strings.TrimSpace("# "+line) + "\n")
	}
	fmt.Fprintf(&b, "seed %d\n", s.Seed)
	if s.Profile != "" {
		fmt.Fprintf(&b, "profile %s\n", s.Profile)
	}
	for _, x := range s.Settings {
		fmt.Fprintf(&b, "set %s %s\n", x.Name, x.Value)
	}
	b.WriteString(s.Plan.String())
	for _, x := range s.Expect {
		fmt.Fprintln(&b, x)
	}
	return b.String()
}

// ParseScenario reads the text form. It fails on a line that it does not know;
// whether the runner knows a setting is not seen here.
func ParseScenario(text string) (Scenario, error) {
	var s Scenario
	begun := false
	for i, whole := range strings.Split(text, "\n") {
		about, comment := strings.CutPrefix(strings.TrimSpace(whole), "#")
		if comment && !begun {
			s.About += strings.TrimSpace(about) + "\n"
			continue
		}
		fields := uncommented(whole)
		if len(fields) == 0 {
			continue
		}
		begun = true
		if err := s.line(fields); err != nil {
			return Scenario{}, fmt.Errorf("scenario, line %d: %w", i+1, err)
		}
	}
	return s, nil
}

// uncommented splits a line and drops its comment: a '#' that a number follows is a
// count.
func uncommented(line string) []string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if _, err := strconv.Atoi(strings.TrimPrefix(f, "#")); strings.HasPrefix(f, "#") && (err != nil || i == 0) {
			return fields[:i]
		}
	}
	return fields
}

func (s *Scenario) line(fields []string) error {
	switch fields[0] {
	case "seed", "profile", "set", "expect":
		return s.word(fields)
	default:
		f, err := parseFault(fields)
		if err != nil {
			return err
		}
		s.Plan = append(s.Plan, f)
		return s.Plan.inOrder()
	}
}

func (s *Scenario) word(fields []string) (err error) {
	want := map[string]int{"seed": 2, "profile": 2, "set": 3, "expect": 4}[fields[0]]
	if len(fields) != want {
		return fmt.Errorf("found %d words, want %d after %q", len(fields)-1, want-1, fields[0])
	}
	switch fields[0] {
	case "seed":
		if s.Seed, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
			return fmt.Errorf("found seed %q, want a number", fields[1])
		}
	case "profile":
		s.Profile = fields[1]
	case "set":
		s.Settings = append(s.Settings, Setting{fields[1], fields[2]})
	default:
		n, err := strconv.Atoi(fields[3])
		if op := fields[2]; err != nil || op != "=" && op != "<=" && op != ">=" {
			return fmt.Errorf("found %q, want a count, one of = <= >=, and a number", strings.Join(fields[1:], " "))
		}
		s.Expect = append(s.Expect, Expectation{fields[1], fields[2], n})
	}
	return nil
}

// A Trigger is a moment that no clock knows: a node comes to a word, for the
// Nth time. Without a word there is none.
type Trigger struct {
	Node    int
	Word    string
	Percent int // of what the word names, 1 to 99; 0 is its beginning
	Nth     int // from 1
}

// parseTrigger takes "on NODE WORD [N%] [#N] [+TIME]" off the front.
func parseTrigger(fields []string) (t Trigger, after time.Duration, rest []string, err error) {
	t.Nth = 1
	if len(fields) < 3 {
		return t, 0, nil, fmt.Errorf("found %d words, want on NODE WORD [N%%] [#N] [+TIME] KIND NODE", len(fields))
	}
	if t.Node, err = parseNode(fields[1], Witness); err != nil {
		return t, 0, nil, err
	}
	t.Word, rest = fields[2], fields[3:]
	if len(rest) > 0 && strings.HasSuffix(rest[0], "%") {
		if t.Percent, err = strconv.Atoi(strings.TrimSuffix(rest[0], "%")); err != nil || t.Percent < 1 || t.Percent > 99 {
			return t, 0, nil, fmt.Errorf("found %q, want a share from 1%% to 99%%", rest[0])
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "#") {
		if t.Nth, err = strconv.Atoi(rest[0][1:]); err != nil || t.Nth < 1 {
			return t, 0, nil, fmt.Errorf("found %q, want a count as #2", rest[0])
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "+") {
		if after, err = time.ParseDuration(rest[0][1:]); err != nil || after < 0 {
			return t, 0, nil, fmt.Errorf("found %q, want a time as +200ms", rest[0])
		}
		rest = rest[1:]
	}
	return t, after, rest, nil
}

// appendMoment is when a fault strikes, in text form.
func (f Fault) appendMoment(b *strings.Builder) {
	if f.On.Word == "" {
		fmt.Fprintf(b, "%v", f.At)
		return
	}
	fmt.Fprintf(b, "on %s %s", names[f.On.Node], f.On.Word)
	if f.On.Percent > 0 {
		fmt.Fprintf(b, " %d%%", f.On.Percent)
	}
	if f.On.Nth > 1 {
		fmt.Fprintf(b, " #%d", f.On.Nth)
	}
	if f.At > 0 {
		fmt.Fprintf(b, " +%v", f.At)
	}
}
