package haconf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func readNode(p *haParser, s statement) {
	const most = 100
	p.count(s, 1, most, "node names, as 'uname -n' prints them")
	for _, w := range s.args {
		name := strings.ToLower(w.text)
		switch {
		case !isName(name):
			p.fail(w, "a node name as 'uname -n' prints it: at most 99 letters, digits, '-', '_' and '.'")
		case slices.Contains(p.ha.Nodes, name):
			p.warn(w.line, "node %s is named twice", name)
		case len(p.ha.Nodes) == most:
			p.fail(w, "at most %d nodes", most)
		default:
			p.ha.Nodes = append(p.ha.Nodes, name)
		}
	}
}

func readFailback(p *haParser, s statement) {
	const want = "on, off or legacy"
	if !p.count(s, 1, 1, want) {
		return
	}
	on, ok := parseBool(s.args[0].text)
	switch {
	case strings.EqualFold(s.args[0].text, "legacy"):
		p.ha.AutoFailback = FailbackLegacy
	case !ok:
		p.fail(s.args[0], want)
	case on:
		p.ha.AutoFailback = FailbackOn
	default:
		p.ha.AutoFailback = FailbackOff
	}
}

// readFailbackAfter reads "failback_after STEADY [PERIOD]".
func readFailbackAfter(p *haParser, s statement) {
	if !p.count(s, 1, 2, "STEADY [PERIOD], as 60 3600") {
		return
	}
	for i, to := range []*time.Duration{&p.ha.FailbackAfter.Steady, &p.ha.FailbackAfter.Period}[:len(s.args)] {
		var ok bool
		if *to, ok = parseTime(s.args[i].text); !ok {
			p.fail(s.args[i], "%s", wantTime)
		}
	}
}

// The restarts that monitor allows unless it says so.
const (
	defaultRestarts = 3
	defaultPeriod   = time.Hour
)

// readMonitor reads "monitor EVERY [RESTARTS PERIOD]".
func readMonitor(p *haParser, s statement) {
	const most = 1000
	if !p.count(s, 1, 3, "EVERY [RESTARTS PERIOD], as 30 3 3600") {
		return
	}
	m := Monitor{Restarts: defaultRestarts, Period: defaultPeriod}
	var ok bool
	if m.Every, ok = parseTime(s.args[0].text); !ok || m.Every < time.Second {
		p.fail(s.args[0], "at least 1s between two looks; %s", wantTime)
	}
	if len(s.args) == 2 {
		p.fail(s.args[1], "RESTARTS and PERIOD, as 3 3600")
	}
	if len(s.args) == 3 {
		m.Restarts = p.integer(s.args[1], 1, most)
		if m.Period, ok = parseTime(s.args[2].text); !ok || m.Period < time.Second {
			p.fail(s.args[2], "a period of at least 1s; %s", wantTime)
		}
	}
	p.ha.Monitor = m
}

// readNiceFailback takes the old directive for what it meant. (Heartbeat 3.0.6 means the same, but does legacy for
// both values.)
func readNiceFailback(p *haParser, s statement) {
	if !p.count(s, 1, 1, "%s", wantBool) {
		return
	}
	nice, ok := parseBool(s.args[0].text)
	failback, name := FailbackLegacy, "legacy"
	if nice {
		failback, name = FailbackOff, "off"
	}
	switch {
	case !ok:
		p.fail(s.args[0], "%s", wantBool)
	case p.written["auto_failback"] > 0:
		p.warn(s.name.line, "nice_failback is obsolete, and auto_failback stands on line %d; remove this line",
			p.written["auto_failback"])
	default:
		p.ha.AutoFailback, p.values["auto_failback"] = failback, name
		p.warn(s.name.line, "nice_failback is obsolete; write auto_failback %s", name)
	}
}

func readAutojoin(p *haParser, s statement) {
	if p.count(s, 1, 1, "none") && s.args[0].text != "none" {
		p.fail(s.args[0], "none: with haresources no node joins that ha.cf does not name; write node lines instead")
	}
}

func readUUIDFrom(p *haParser, s statement) {
	const want = "file or nodename"
	if !p.count(s, 1, 1, want) {
		return
	}
	switch s.args[0].text {
	case "file":
	case "nodename":
		p.warn(s.name.line, "uuidfrom nodename has no effect: the uuid is made once, and kept in a file")
	default:
		p.fail(s.args[0], want)
	}
}

func readUDPPort(p *haParser, s statement) {
	if !p.count(s, 1, 1, "a port, 1 to 65535") {
		return
	}
	p.ha.UDPPort = p.integer(s.args[0], 1, 65535)
	for _, m := range p.ha.Media {
		if m.Kind == Unicast || m.Kind == Broadcast || m.Kind == Unicast6 {
			p.warn(s.name.line, "udpport stands behind the medium of line %d, which keeps port %d; move it up", m.Line, m.Port)
		}
	}
}

func readBaud(p *haParser, s statement) {
	rates := []string{"9600", "19200", "38400", "57600", "115200", "230400", "460800"}
	switch {
	case !p.count(s, 1, 1, "a rate: one of %s", strings.Join(rates, ", ")):
	case !slices.Contains(rates, s.args[0].text):
		p.fail(s.args[0], "a rate: one of %s", strings.Join(rates, ", "))
	}
}

func readStonith(p *haParser, s statement) {
	s.args = s.rest.split(blanks)
	if p.count(s, 2, 2, "a device type and a configuration file") && p.path(s.args[1]) {
		p.ha.Stonith = append(p.ha.Stonith, Stonith{
			Host: "*", Type: s.args[0].text, File: s.args[1].text, Line: s.name.line,
		})
	}
}

func readStonithHost(p *haParser, s statement) {
	s.args = s.rest.split(blanks)
	if !p.count(s, 2, len(s.args), "a node or '*', a device type, and its arguments") {
		return
	}
	host := s.args[0]
	if host.text != "*" && !isName(host.text) {
		p.fail(host, "the name of the node that uses the device, or '*'")
		return
	}
	device := Stonith{Host: strings.ToLower(host.text), Type: s.args[1].text, Line: s.name.line}
	for _, w := range s.args[2:] {
		device.Args = append(device.Args, w.text)
	}
	p.ha.Stonith = append(p.ha.Stonith, device)
}

func readChild(p *haParser, s statement) {
	words := s.rest.split(blanks)
	if len(words) < 2 {
		p.fail(s.rest.after(), "a user and a command behind %s, as: %s hacluster /usr/lib/heartbeat/ipfail", s.name.text,
			s.name.text)
		return
	}
	p.warn(s.name.line, "%s has no effect: %s is not started; have it started by the init system", s.name.text, words[1].text)
	user := words[0].text
	p.ha.Children = append(p.ha.Children, Child{
		User: user, Command: strings.Trim(s.rest.text[len(user):], blanks),
		FailFast: s.name.text == "failfast", Line: s.name.line,
	})
}

func readVariable(p *haParser, s statement) {
	name, value, found := strings.Cut(s.rest.text, "=")
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	if !found || strings.Trim(name, letters+"0123456789") != "" || strings.Trim(name[:min(1, len(name))], letters) != "" ||
		name == "" {
		p.fail(s.rest, "NAME=VALUE, with a name of letters, digits and '_'")
		return
	}
	p.ha.Env = append(p.ha.Env, Variable{Name: name, Value: value})
}

// readClient reads CLIENT [uid=a,b] [gid=c,d].
func readClient(p *haParser, s statement) {
	s.args = s.rest.split(blanks)
	if !p.count(s, 1, 3, "a client with uid= or gid=, as: apiauth ipfail uid=hacluster") {
		return
	}
	client := Client{Name: s.args[0].text}
	if slices.ContainsFunc(p.ha.Clients, func(c Client) bool { return c.Name == client.Name }) {
		p.fail(s.args[0], "one apiauth line for each client; another line has this one already")
		return
	}
	for _, w := range s.args[1:] {
		kind, list, _ := strings.Cut(w.text, "=")
		names := strings.FieldsFunc(list, func(c rune) bool { return c == ',' })
		switch {
		case kind == "uid" && len(names) > 0:
			client.UIDs = append(client.UIDs, names...)
		case kind == "gid" && len(names) > 0:
			client.GIDs = append(client.GIDs, names...)
		default:
			p.fail(w, "uid= or gid= with names, separated by commas")
		}
	}
	if len(s.args) == 1 {
		p.warn(s.name.line, "apiauth %s names no uid= and no gid=, so nobody may be that client", client.Name)
	}
	p.ha.Clients = append(p.ha.Clients, client)
}

// addDefaultClients lets in whom Heartbeat lets in, unless a line says otherwise.
func (p *haParser) addDefaultClients() {
	for _, client := range []Client{
		{Name: "ipfail", UIDs: []string{"hacluster"}},
		{Name: "ccm", UIDs: []string{"hacluster"}},
		{Name: "ping", GIDs: []string{"haclient"}},
		{Name: "lha-snmpagent", UIDs: []string{"root"}},
		{Name: "anon", UIDs: []string{"root"}, GIDs: []string{"haclient"}},
	} {
		if !slices.ContainsFunc(p.ha.Clients, func(c Client) bool { return c.Name == client.Name }) {
			p.ha.Clients = append(p.ha.Clients, client)
		}
	}
}

// refuseManager keeps a second resource manager out: it would start what haresources starts, a second time.
func refuseManager(p *haParser, s statement) {
	if !p.count(s, 1, len(s.args)+1, "off") {
		return
	}
	if on, ok := parseBool(s.args[0].text); on || !ok {
		at := s.name
		at.text = fmt.Sprintf("%s %s", s.name.text, s.rest.text)
		p.fail(at, "%s off: resources come from haresources, and a second manager would start them on both nodes; "+
			"remove the line", s.name.text)
	}
}

// ignore takes what only Pacemaker reads.
func ignore(p *haParser, s statement) {
	p.warn(s.name.line, "%s is for Pacemaker, and has no effect", s.name.text)
}
