package haconf

import (
	"slices"
	"strings"
)

// Resources is the file haresources: one group for each line. It must be the same on both nodes.
type Resources []Group

// A Group is what moves together: started left to right, stopped right to left.
type Group struct {
	Node      string // where it runs if both nodes can run it; lower case
	Resources []Resource
	Line      int // where it starts
}

// A Resource is a script with its arguments.
type Resource struct {
	Script string
	Args   []string
	Text   string // as written: script::arg1::arg2, or an address
}

// Key names a group in messages between the nodes: its first resource, as written.
func (g Group) Key() string { return g.Resources[0].Text }

// ParseResources reads haresources; nodes are those of ha.cf.
//
//	NODE RESOURCE…      RESOURCE = script, script::arg1::arg2, or a.b.c.d[/…] for IPaddr::a.b.c.d[/…]
//	                    or ocf:PROVIDER:AGENT::name=value, which Heartbeat has not
//
// '#' starts a comment anywhere; a '\' at the end of a line joins the next one. Source: Heartbeat wire, section 9.1.
func ParseResources(file string, text []byte, nodes []string) (Resources, error) {
	p := &resourceParser{report: report{file: file}, nodes: nodes, keys: map[string]int{}}
	var words []word
	for line := range p.lines(text) {
		// Behind a '\', blanks or a comment would end the group here and not there, depending on who reads the file.
		joined := strings.HasSuffix(line.text, `\`) && !strings.Contains(line.text, "#")
		if joined {
			line.text = strings.TrimSuffix(line.text, `\`)
		}
		words = append(words, line.withoutComment().split(blanks)...)
		if !joined {
			p.group(words)
			words = nil
		}
	}
	p.group(words)
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.groups, nil
}

type resourceParser struct {
	report
	nodes  []string
	keys   map[string]int // the line of each
	groups Resources
}

func (p *resourceParser) group(words []word) {
	if len(words) == 0 {
		return
	}
	first := words[0]
	g := Group{Node: strings.ToLower(first.text), Line: first.line}
	if !slices.ContainsFunc(p.nodes, func(n string) bool { return strings.ToLower(n) == g.Node }) {
		p.fail(first, "the preferred node, one of ha.cf: %s", strings.Join(p.nodes, ", "))
		return
	}
	if len(words) == 1 {
		p.fail(first.after(), "the resources of %s, as: %s drbddisk::r1 LVM::vg xenHA", g.Node, g.Node)
		return
	}
	for _, w := range words[1:] {
		r, ok := p.resource(w)
		if !ok {
			return
		}
		g.Resources = append(g.Resources, r)
	}
	if before, ok := p.keys[g.Key()]; ok {
		p.fail(words[1], "a first resource that no other group has: it is the group's name, and line %d has the same",
			before)
		return
	}
	p.keys[g.Key()] = first.line
	p.groups = append(p.groups, g)
}

func (p *resourceParser) resource(w word) (Resource, bool) {
	address, _, _ := strings.Cut(w.text, "/")
	if looksLikeIPv4(address) {
		return p.address(w, address)
	}
	parts := strings.Split(w.text, "::")
	r := Resource{Script: parts[0], Args: parts[1:], Text: w.text}
	switch {
	case strings.HasSuffix(w.text, `\`):
		p.fail(w, `'\' as the very last character of the line, to join the next one`)
	case r.Script == "" || strings.ContainsAny(r.Script, `/\`):
		p.fail(w, "the name of a script in the resource directory, without path")
	case strings.Contains(r.Script, ":") && !isAgent(r.Script):
		p.fail(w, "'::' between a script and its arguments, as drbddisk::r1")
	case slices.Contains(r.Args, ""):
		p.fail(w, "an argument behind each '::'")
	default:
		return r, true
	}
	return Resource{}, false
}

// isAgent says whether a script is an agent of OCF: ocf:PROVIDER:AGENT.
func isAgent(script string) bool {
	parts := strings.Split(script, ":")
	return len(parts) == 3 && parts[0] == "ocf" && !slices.Contains(parts, "")
}

// address reads a.b.c.d[/masklen[/interface][/broadcast]].
func (p *resourceParser) address(w word, address string) (Resource, bool) {
	parts := strings.Split(w.text, "/")
	ok := isIPv4(address) && len(parts) <= 4 && !slices.Contains(parts, "") && !strings.Contains(w.text, "::")
	if ok && len(parts) > 1 {
		_, ok = parseInt(parts[1], 1, 32)
	}
	if !ok {
		p.fail(w, "an address as a.b.c.d, or a.b.c.d/masklen[/interface][/broadcast]")
		return Resource{}, false
	}
	return Resource{Script: "IPaddr", Args: []string{w.text}, Text: w.text}, true
}
