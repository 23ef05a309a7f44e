package haconf

import (
	"encoding/hex"
	"strings"
	"time"
)

// Witness is the third place that pollux asks when the nodes can't reach each
// other. Heartbeat does not know these directives, and refuses the file:
//
//	witness HOST:PORT PIN          SHA-256 of the witness's public key
//	policy  last-man|freeze|witness
//	lease   30                     seconds, as all times here
type Witness struct {
	Address string // host and port; empty: there is none
	Pin     string // 64 hexadecimal digits
}

// The policies: what a node does that has lost its peer.
const (
	PolicyLastMan = "last-man" // it goes on, and takes over
	PolicyFreeze  = "freeze"   // its guests wait
	PolicyWitness = "witness"  // who has the lease goes on
)

// The lease where no file says it is deadtime, but not shorter or longer.
const (
	shortLease = 10 * time.Second
	longLease  = 60 * time.Second
)

func readWitness(p *haParser, s statement) {
	if !p.count(s, 2, 2, "HOST:PORT and the witness's pin, which 'pollux-witness pin' prints") {
		return
	}
	if at := strings.LastIndexByte(s.args[0].text, ':'); at < 1 || at == len(s.args[0].text)-1 {
		p.fail(s.args[0], "HOST:PORT")
	}
	if pin, err := hex.DecodeString(s.args[1].text); err != nil || len(pin) != 32 {
		p.fail(s.args[1], "a pin of 64 hexadecimal digits, which 'pollux-witness pin' prints")
	}
	p.ha.Witness = Witness{Address: s.args[0].text, Pin: s.args[1].text}
}

func readPolicy(p *haParser, s statement) {
	if !p.count(s, 1, 1, "last-man, freeze or witness") {
		return
	}
	switch s.args[0].text {
	case PolicyLastMan, PolicyFreeze, PolicyWitness:
		p.ha.Policy = s.args[0].text
	default:
		p.fail(s.args[0], "last-man, freeze or witness")
	}
}

// finishWitness fills in what follows from the rest.
func (p *haParser) finishWitness() {
	h := p.ha
	switch {
	case h.Policy == "" && h.Witness.Address != "":
		h.Policy = PolicyWitness
	case h.Policy == "":
		h.Policy = PolicyLastMan
	case h.Policy == PolicyWitness && h.Witness.Address == "":
		p.fail(word{"policy witness", p.written["policy"], 0}, "a line with the witness, as: witness HOST:PORT PIN")
	case h.Policy != PolicyWitness && h.Witness.Address != "":
		p.warn(p.written["policy"], "policy %s: the witness is not asked", h.Policy)
	}
	p.values["policy"] = h.Policy
	p.compute("lease", &h.Lease, min(max(h.Deadtime, shortLease), longLease))
}
