// Command polluxsim runs simulated pairs of nodes and says what they broke.
//
//	polluxsim run --seed N [--profile P] [--trace]       one seed
//	polluxsim run SCENARIO|FILE [--trace]                a named scenario, or one in a file
//	polluxsim run all                                    every named scenario
//	polluxsim run SCENARIO|FILE --json                   the verdict alone, for a program (plan.Verdict)
//	polluxsim sweep [--seeds A..B | --for 2m]            many seeds on all processors
//	polluxsim sweep --witness store --seeds A..B         the same, all with a witness that only stores
//	polluxsim replay FILE                                a scenario of a sweep, with its trace
//	polluxsim replay FILE.rec ... [--what-if CHANGE]     what polluxd recorded, on one node or on both
//	polluxsim shrink --seed N | FILE [--out FILE]        the smallest run that breaks the same promise
//	polluxsim mutants [--for 1m]                         planted bugs, and what finds them (build tag planted)
//	polluxsim explain --seed N | FILE [--html FILE]      the time line, as text or as a page
//
// It exits with 1 if a promise was broken, and with 2 if it was asked for what it
// can't do. Without a verb, --seeds is a sweep and --seed is a run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/timeline"
	"github.com/optionc/pollux/sim/trial"
	"github.com/optionc/pollux/sim/world"
)

// errBroken is a broken promise, which was told already.
var errBroken = errors.New("a promise was broken")

// overview is for who asks without saying what.
const overview = `Usage:
  polluxsim run SEED|SCENARIO [--trace] [--json]        what comes of one seed, of a named scenario or one in a file
  polluxsim run all                                     every named scenario
  polluxsim sweep --seeds A..B | --for 2m               many seeds on all processors
  polluxsim replay FILE                                 a scenario of a sweep, with its trace
  polluxsim replay FILE.rec ... [--what-if CHANGE]      what polluxd recorded, on one node or on both
  polluxsim shrink SEED|SCENARIO [--out FILE]           the smallest run that breaks the same promise
  polluxsim explain SEED|SCENARIO [--html FILE]         the time line, as text or as a page
  polluxsim mutants                                     planted bugs, and what finds them (build tag planted)
A seed is '--seed N'. 'polluxsim VERB --help' has the flags. It exits with 1 if a promise was broken.
`

func main() {
	err := start(os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errBroken):
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "polluxsim: %v\n", err)
		os.Exit(2)
	}
}

func start(args []string) error {
	verb := "run"
	switch {
	case len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		fmt.Print(overview)
		return nil
	case len(args) > 0 && !strings.HasPrefix(args[0], "-"):
		verb, args = args[0], args[1:]
	case slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(strings.TrimLeft(a, "-"), "seeds") }):
		verb = "sweep"
	}
	do, ok := map[string]func([]string) error{
		"run": run, "sweep": sweep, "replay": replay, "shrink": shrink, "explain": explain, "mutants": mutants,
	}[verb]
	if !ok {
		return fmt.Errorf("found %q, want run, sweep, replay, shrink, explain or mutants", verb)
	}
	return do(args)
}

// one is what the verbs about a single run share: which one.
type one struct {
	*flag.FlagSet
	seed    uint64
	profile string
	witness string
	faults  string
	trace   bool
	json    bool
	out     string
	html    string
}

// parse reads flags around the name of a scenario.
func parse(verb string, args []string) (*one, plan.Scenario, error) {
	o := &one{FlagSet: flag.NewFlagSet(verb, flag.ContinueOnError)}
	o.Uint64Var(&o.seed, "seed", 0, "the seed")
	o.StringVar(&o.profile, "profile", "", profiles()+"; the seed draws one unless this is given")
	o.StringVar(&o.witness, "witness", "", aboutWitness)
	o.StringVar(&o.faults, "plan", "", "a `file` of what goes wrong, instead of what the seed draws")
	o.BoolVar(&o.trace, "trace", false, "print everything that happens")
	o.BoolVar(&o.json, "json", false, "print the verdict alone, for a program")
	o.StringVar(&o.out, "out", "", "the `file` for the smallest run, or the directory for failures")
	o.StringVar(&o.html, "html", "", "the `file` for the page")
	name := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	rest, err := flagsOf(o.FlagSet, args)
	if err != nil {
		return nil, plan.Scenario{}, err
	}
	if name == "" && len(rest) > 0 {
		name, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return nil, plan.Scenario{}, fmt.Errorf("found %q behind %s, want one scenario", rest[0], name)
	}
	s, err := o.scenario(name)
	if err == nil {
		err = isProfile(s.Profile)
	}
	return o, s, err
}

// flagsOf reads flags, and gives what is none. What is wrong is one line; the help goes to standard output.
func flagsOf(f *flag.FlagSet, args []string) ([]string, error) {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(os.Stdout)
		f.Usage()
	}
	if err != nil {
		return nil, fmt.Errorf("%w; 'polluxsim %s --help' has the flags", err, f.Name())
	}
	return f.Args(), nil
}

// isProfile fails for what would be taken for any profile.
func isProfile(name string) error {
	if name == "" || slices.Contains(trial.Profiles, trial.Profile(name)) {
		return nil
	}
	return fmt.Errorf("found profile %q, want %s", name, profiles())
}

func profiles() string {
	var names []string
	for _, p := range trial.Profiles {
		names = append(names, string(p))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// aboutWitness is what both runs and sweeps say of it.
const aboutWitness = "store: the witness of those seeds that have one decides nothing, and only stores"

// ofWitness is the setting that makes a witness of what the seeds draw.
func ofWitness(what string) []plan.Setting {
	if what == "" {
		return nil
	}
	return []plan.Setting{{Name: "witness", Value: what}}
}

// scenario is the run that was asked for; what the seed draws is in it, too.
func (o *one) scenario(name string) (plan.Scenario, error) {
	if name != "" {
		return load(name)
	}
	s := plan.Scenario{Seed: o.seed, Profile: o.profile, Settings: ofWitness(o.witness)}
	if o.faults == "" {
		s.Plan = trial.Drawn(s.Seed, trial.Profile(s.Profile))
		return s, nil
	}
	text, err := os.ReadFile(o.faults)
	if err == nil {
		s.Plan, err = plan.Parse(string(text))
	}
	return s, err
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "all" {
		return runAll()
	}
	o, s, err := parse("run", args)
	if err != nil {
		return err
	}
	if o.json {
		return printVerdict(s)
	}
	return show(s, o.trace)
}

func replay(args []string) error {
	recordings := 0
	for recordings < len(args) && strings.HasSuffix(args[recordings], ".rec") {
		recordings++
	}
	if recordings > 0 {
		return incidents(args[:recordings], args[recordings:])
	}
	_, s, err := parse("replay", args)
	if err != nil {
		return err
	}
	return show(s, true)
}

// show runs a scenario and says all about it.
func show(s plan.Scenario, trace bool) error {
	opt := trial.OptionsOf(s)
	if trace {
		opt.Trace = func(line string) { fmt.Println(line) }
	}
	r := trial.Run(s.Seed, opt)
	fmt.Printf("seed %d, profile %s, %v simulated, %d events, hash %016x\n", s.Seed, r.Profile, r.Time, r.Events, r.Hash)
	fmt.Printf("%+v, %d repairs\n", r.Counts, r.Repairs)
	if r.Broken != nil {
		fmt.Printf("plan:\n%vBROKEN %v\n", r.Plan, r.Broken)
		return errBroken
	}
	if err := trial.Expected(s, r); err != nil {
		fmt.Println(err)
		return errBroken
	}
	return nil
}

// shrinkFor is how long the search for a smaller run may take.
const shrinkFor = 30 * time.Second

func shrink(args []string) error {
	o, s, err := parse("shrink", args)
	if err != nil {
		return err
	}
	r := smaller(s.Seed, trial.OptionsOf(s))
	if r.Broken == nil {
		fmt.Println("the run breaks no promise")
		return nil
	}
	fmt.Print(r.Scenario())
	fmt.Printf("# %v\n", r.Broken)
	if o.out == "" {
		return errBroken
	}
	if err := os.WriteFile(o.out, []byte(r.Scenario().String()), 0o600); err != nil {
		return err
	}
	fmt.Printf("go run ./sim/polluxsim replay %s\n", o.out)
	return errBroken
}

func smaller(seed uint64, opt trial.Options) trial.Result {
	until := time.Now().Add(shrinkFor)
	return trial.Shrink(seed, opt, func() bool { return time.Now().Before(until) })
}

func explain(args []string) error {
	o, s, err := parse("explain", args)
	if err != nil {
		return err
	}
	var lines []string
	opt := trial.OptionsOf(s)
	opt.Messages = true
	opt.Trace = func(line string) { lines = append(lines, line) }
	r := trial.Run(s.Seed, opt)
	picture := timeline.Parse([2]string{world.Name(0), world.Name(1)}, lines)
	if o.html == "" {
		fmt.Print(picture.Text())
		return nil
	}
	title := fmt.Sprintf("Seed %d: every promise was kept", s.Seed)
	if r.Broken != nil {
		title = fmt.Sprintf("Seed %d broke promise %s", s.Seed, r.Broken.Promise)
	}
	page, err := picture.HTML(title, r.Scenario().String())
	if err != nil {
		return err
	}
	return os.WriteFile(o.html, []byte(page), 0o600)
}
