package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/record"
	"github.com/optionc/pollux/sim/timeline"
)

// changes are the values of --what-if.
type changes []record.Change

// String is for package flag.
func (c *changes) String() string { return "" }

// Set reads one.
func (c *changes) Set(text string) error {
	change, err := record.ParseChange(text)
	*c = append(*c, change)
	return err
}

// line is one of a replay, on the wall clock.
type line struct {
	at   time.Time
	text string
}

// incidents replays recordings of one node or of both, and prints what
// happened as one time line.
func incidents(files, args []string) error {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	var changed changes
	flags.Var(&changed, "what-if", "`change` one thing: "+record.KnownChanges+"; may be given again")
	html := flags.String("html", "", "the `file` for a page instead of text")
	more, err := flagsOf(flags, args)
	if err != nil {
		return err
	}
	var lines []line
	var nodes []string
	parted := false
	for _, file := range slices.Concat(files, more) {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		segments, err := record.Read(b)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for i := range segments {
			if node := segments[i].About.Node; !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
			more, parting, err := incident(file, &segments[i], changed)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			lines = append(lines, more...)
			parted = parted || parting
		}
	}
	if len(nodes) > 2 {
		return fmt.Errorf("found recordings of %s, want those of one node or of the two of a pair", strings.Join(nodes, ", "))
	}
	if err := draw(lines, nodes, *html); err != nil {
		return err
	}
	if parted && len(changed) == 0 {
		return errBroken
	}
	return nil
}

// incident replays one segment and says whether all came about as recorded.
func incident(file string, s *record.Segment, changed []record.Change) (lines []line, parted bool, err error) {
	r := record.Replay{Changes: changed, Tell: func(at time.Duration, text string) {
		lines = append(lines, line{s.About.Started.Add(at), s.About.Node + " " + text})
	}}
	effects, parting, err := r.Run(s)
	if err != nil {
		return nil, false, err
	}
	verdict := "all as recorded"
	switch {
	case parting != nil && len(changed) > 0:
		verdict = "other than recorded, first " + parting.String()
	case parting != nil:
		verdict = fmt.Sprintf("recorded by %s, and this one, %s, parts %v", s.About.Version, record.Version(), parting)
	case len(changed) > 0:
		verdict = "the change makes no difference"
	}
	if s.Damaged {
		verdict += "; the end is damaged and left out"
	}
	fmt.Printf("%s: %s from %s, %d inputs, %d effects: %s\n", file, s.About.Node,
		s.About.Started.Add(time.Duration(s.About.At)).Format(time.DateTime), len(s.Entries), effects, verdict)
	return lines, parting != nil, nil
}

// draw prints the lines in the order of time, in seconds since the first.
func draw(lines []line, nodes []string, html string) error {
	if len(lines) == 0 {
		return nil
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var trace []string
	for _, l := range lines {
		text := strings.ReplaceAll(l.text, "\n", " ")
		trace = append(trace, fmt.Sprintf("%.6f %s", l.at.Sub(lines[0].at).Seconds(), text))
	}
	var pair [2]string
	copy(pair[:], nodes)
	picture := timeline.Parse(pair, trace)
	if html == "" {
		fmt.Print(picture.Text())
		return nil
	}
	title := "What happened from " + lines[0].at.Format(time.DateTime)
	page, err := picture.HTML(title, "")
	if err != nil {
		return err
	}
	return os.WriteFile(html, []byte(page), 0o600)
}
