package site

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lastEvents and lastLines are how much of what a node has said Why repeats.
const (
	lastEvents = 40
	lastLines  = 15
)

// state asks a node what it does. Threads of the kernel are left out.
const state = `pollux status; pollux history | tail -n 10; xl list; ps -o pid,stat,args | grep -v '\[.*\]$'`

// Why is what a person reads first when a scenario has failed: what the nodes say
// of themselves now, what they and their guests have said last, and how far their
// daemons' logs have come.
func (p *Pair) Why() string {
	var text strings.Builder
	for _, n := range []*Node{p.Milo1, p.Milo2} {
		n.why(&text)
	}
	return text.String()
}

func (n *Node) why(text *strings.Builder) {
	ctx, cancel := context.WithTimeout(context.Background(), Soon)
	defer cancel()
	fmt.Fprintf(text, "--- %s at %s\n", n.Name, clock(time.Now()))
	if r, err := n.vm.Run(ctx, "/bin/bash", "-c", state); err != nil {
		fmt.Fprintln(text, err)
	} else {
		text.WriteString(r.Stdout + r.Stderr)
	}
	events := n.Events(time.Time{})
	for _, e := range events[max(0, len(events)-lastEvents):] {
		fmt.Fprintf(text, "%s %s\n", clock(e.At), strings.TrimSpace(e.Resource+" "+e.Text))
	}
	lines := slices.Collect(strings.Lines(n.log()))
	fmt.Fprintf(text, "polluxd said last:\n%s", strings.Join(lines[max(0, len(lines)-lastLines):], ""))
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
