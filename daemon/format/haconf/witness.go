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
//	witness etcd https://a:2379,https://b:2379 ca=PATH cert=PATH key=PATH prefix=/pollux/
//	policy  last-man|freeze|witness
//	lease   30                     seconds, as all times here
type Witness struct {
	Address string // host and port; empty: there is none
	Pin     string // 64 hexadecimal digits
	Etcd    Etcd
}

// There tells whether there is a witness.
func (w Witness) There() bool { return w.Address != "" || len(w.Etcd.URLs) > 0 }

// String is its place.
func (w Witness) String() string {
	if len(w.Etcd.URLs) > 0 {
		return "etcd " + strings.Join(w.Etcd.URLs, ",")
	}
	return w.Address
}

// Etcd is a cluster that serves as the witness.
type Etcd struct {
	URLs          []string // of members; none: it is no etcd
	CA, Cert, Key string   // paths, or empty
	Prefix        string   // of keys
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
	p.ha.Witness = Witness{}
	if len(s.args) > 0 && s.args[0].text == "etcd" {
		s.args = s.rest.split(blanks)
		p.readEtcd(s)
		return
	}
	if !p.count(s, 2, 2, "HOST:PORT and the witness's pin, which 'pollux-witness pin' prints; or etcd, the URLs of its "+
		"members, and maybe ca=, cert= and key= with paths, and prefix=") {
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

// defaultPrefix is where a pair's text is in etcd, before the names of its nodes.
const defaultPrefix = "/pollux/"

// readEtcd reads "etcd URL[,URL...] [ca=PATH] [cert=PATH key=PATH] [prefix=TEXT]".
func (p *haParser) readEtcd(s statement) {
	const most = 6
	if !p.count(s, 2, most, "the URLs of the members behind etcd, as: witness etcd https://a:2379,https://b:2379") {
		return
	}
	e := Etcd{Prefix: defaultPrefix}
	scheme := ""
	for _, w := range s.args[1].split(",") {
		kind, host, _ := strings.Cut(w.text, "://")
		switch {
		case kind != "https" && kind != "http" || host == "" || strings.Contains(host, "/"):
			p.fail(w, "the URL of a member, as https://192.0.2.1:2379")
		case scheme != "" && scheme != kind:
			p.fail(w, "https in all URLs, or http")
		case kind == "http" && scheme == "":
			p.warn(w.line, "etcd over http: whoever is on the way can take the lease away, or give it; want https with a ca")
		}
		scheme = kind
		e.URLs = append(e.URLs, w.text)
	}
	for _, w := range s.args[2:] {
		name, value, _ := strings.Cut(w.text, "=")
		to := map[string]*string{"ca": &e.CA, "cert": &e.Cert, "key": &e.Key, "prefix": &e.Prefix}[name]
		switch {
		case to == nil || value == "":
			p.fail(w, "ca=, cert= or key= with a path, or prefix=")
		case name != "prefix" && scheme == "http":
			p.fail(w, "https in the URLs, where there are certificates")
		case name != "prefix" && !strings.HasPrefix(value, "/"):
			p.fail(w, "a path that starts with '/'")
		default:
			*to = value
		}
	}
	if (e.Cert == "") != (e.Key == "") {
		p.fail(s.name, "cert= and key=, or none of them")
	}
	p.ha.Witness.Etcd = e
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
	case h.Policy == "" && h.Witness.There():
		h.Policy = PolicyWitness
	case h.Policy == "":
		h.Policy = PolicyLastMan
	case h.Policy == PolicyWitness && !h.Witness.There():
		p.fail(word{"policy witness", p.written["policy"], 0}, "a line with the witness, as: witness HOST:PORT PIN")
	case h.Policy != PolicyWitness && h.Witness.There():
		p.warn(p.written["policy"], "policy %s: the witness is not asked", h.Policy)
	}
	p.values["policy"] = h.Policy
	p.compute("lease", &h.Lease, min(max(h.Deadtime, shortLease), longLease))
}
