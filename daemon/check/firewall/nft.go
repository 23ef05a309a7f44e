package firewall

import (
	"encoding/json"
	"fmt"
	"slices"
)

// The objects of what nft prints. Source: libnftables-json(5).
type (
	nftObject struct {
		Table *struct {
			Family string `json:"family"`
			Name   string `json:"name"`
			Flags  any    `json:"flags"`
		} `json:"table"`
		Chain *struct {
			Family string `json:"family"`
			Table  string `json:"table"`
			Name   string `json:"name"`
			Hook   string `json:"hook"`
			Policy string `json:"policy"`
		} `json:"chain"`
		Rule *nftRule `json:"rule"`
		Set  *nftSet  `json:"set"`
		Map  *nftSet  `json:"map"`
	}
	nftSet struct {
		Family string `json:"family"`
		Table  string `json:"table"`
		Name   string `json:"name"`
		Elem   []any  `json:"elem"`
	}
	nftRule struct {
		Family  string           `json:"family"`
		Table   string           `json:"table"`
		Chain   string           `json:"chain"`
		Handle  int              `json:"handle"`
		Comment string           `json:"comment"`
		Expr    []map[string]any `json:"expr"`
	}
)

// nft reads one ruleset.
type nft struct {
	sets map[place][]any
	// asleep are tables that may not be at work.
	asleep []string
}

// ParseNFT reads what nft -j list ruleset prints. Tables of those names, such
// as "ip filter", are left out: iptables made them, and its own output says
// more of them.
func ParseNFT(text []byte, without ...string) (*Ruleset, error) {
	var all struct {
		Objects []nftObject `json:"nftables"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("rules of nft: %w", err)
	}
	n := nft{sets: map[place][]any{}, asleep: without}
	r := &Ruleset{chains: map[place]*chain{}}
	for _, o := range all.Objects {
		n.declare(r, o)
	}
	for _, o := range all.Objects {
		if o.Rule == nil {
			continue
		}
		if c := r.chains[place{o.Rule.Family + " " + o.Rule.Table, o.Rule.Chain}]; c != nil {
			c.rules = append(c.rules, n.rule(c.table, o.Rule))
		}
	}
	return r, nil
}

// declare takes everything in but the rules.
func (n *nft) declare(r *Ruleset, o nftObject) {
	switch {
	case o.Table != nil && o.Table.Flags != nil:
		// The flag is dormant, but nft 1.0.6 prints the table's name instead.
		n.asleep = append(n.asleep, o.Table.Family+" "+o.Table.Name)
	case o.Set != nil:
		n.sets[place{o.Set.Family + " " + o.Set.Table, o.Set.Name}] = o.Set.Elem
	case o.Map != nil:
		n.sets[place{o.Map.Family + " " + o.Map.Table, o.Map.Name}] = o.Map.Elem
	case o.Chain != nil && slices.Contains([]string{"ip", "ip6", "inet"}, o.Chain.Family):
		table := o.Chain.Family + " " + o.Chain.Table
		if slices.Contains(n.asleep, table) {
			return
		}
		c := &chain{place: place{table, o.Chain.Name}, family: o.Chain.Family, policy: accept}
		if o.Chain.Policy == "drop" {
			c.policy = drop
		}
		r.chains[c.place] = c
		if o.Chain.Hook == "input" || o.Chain.Hook == "prerouting" {
			r.bases = append(r.bases, c)
		}
	}
}

// rule reads a rule: tests and statements from left to right.
func (n *nft) rule(table string, from *nftRule) rule {
	r := rule{text: fmt.Sprintf("its rule with handle %d", from.Handle), act: action{out: onward}}
	if from.Comment != "" {
		r.text += fmt.Sprintf(" (%q)", from.Comment)
	}
	for _, expr := range from.Expr {
		for kind, value := range expr { // there is one
			test, act := n.statement(table, kind, value)
			if test != nil {
				r.tests = append(r.tests, test)
			}
			if act != nil {
				r.act = *act
			}
		}
	}
	return r
}

// idle statements change nothing of where a packet goes.
var idle = []string{
	"counter", "log", "mangle", "comment", "notrack", "ct helper", "ct timeout", "ct expectation", "set", "map", "meter",
	"flow", "masquerade", "snat", "dup", "secmark", "last",
}

func (n *nft) statement(table, kind string, value any) (test, *action) {
	if act, ok := n.verdict(kind, value); ok {
		return nil, &act
	}
	if slices.Contains(idle, kind) {
		return nil, nil
	}
	fields, _ := value.(map[string]any)
	switch kind {
	case "match":
		return n.match(table, fields), nil
	case "vmap":
		return nil, n.choices(table, fields)
	case "xt": // of iptables
		name, _ := fields["name"].(string)
		switch {
		case fields["type"] == "target":
			act := iptablesTarget(name, false)
			return nil, &act
		case name == "comment":
			return nil, nil
		}
	case "limit", "quota", "ct count":
	default:
		return unknown, &action{out: anything}
	}
	return unknown, nil
}

// verdict reads a statement that decides.
func (n *nft) verdict(kind string, value any) (action, bool) {
	switch kind {
	case "accept":
		return action{out: accept}, true
	case "drop", "reject":
		return action{out: drop}, true
	case "continue":
		return action{out: onward}, true
	case "return":
		return action{out: back}, true
	case "jump", "goto":
		fields, _ := value.(map[string]any)
		if target, _ := fields["target"].(string); target != "" {
			return action{target: target, leave: kind == "goto"}, true
		}
		return action{out: anything}, true
	}
	return action{}, false
}

// choices reads a verdict map.
func (n *nft) choices(table string, fields map[string]any) *action {
	field := n.field(fields["key"])
	elements, ok := n.elements(table, fields["data"])
	if !ok || field == nil {
		return &action{out: anything}
	}
	var act action
	for _, e := range elements {
		pair, _ := e.([]any)
		if len(pair) != 2 {
			return &action{out: anything}
		}
		does := action{out: anything}
		verdict, _ := pair[1].(map[string]any)
		for kind, value := range verdict { // there is one
			if a, ok := n.verdict(kind, value); ok {
				does = a
			}
		}
		key := pair[0]
		act.choices = append(act.choices, choice{func(p Packet) truth { return field(p, unwrap(key)) }, does})
	}
	if len(act.choices) == 0 {
		act.out = onward
	}
	return &act
}
