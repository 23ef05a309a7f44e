package check

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"

	"github.com/optionc/pollux/daemon/check/firewall"
	"github.com/optionc/pollux/daemon/driver/command"
)

// Limits of the tools that print the rules of the packet filter.
const (
	filterLimit = 10 * time.Second
	filterSize  = 16 << 20
)

// filters asks the tools that there are for the rules of the packet filter.
func filters(ctx context.Context, run command.Runner) []Filter {
	type asked struct {
		tool, program string
		ipv6          bool
	}
	tools := []asked{{"iptables", "iptables-save", false}, {"ip6tables", "ip6tables-save", true}}
	// With both in use, iptables-save prints those of nf_tables only.
	if tables, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil && len(tables) > 0 {
		tools = append(tools, asked{"iptables-legacy", "iptables-legacy-save", false})
	}
	if tables, err := os.ReadFile("/proc/net/ip6_tables_names"); err == nil && len(tables) > 0 {
		tools = append(tools, asked{"ip6tables-legacy", "ip6tables-legacy-save", true})
	}
	var list []Filter
	var known []string // tables of nft that iptables has told of
	for _, t := range tools {
		text, err := ask(ctx, run, t.program)
		if errors.Is(err, command.ErrNotFound) {
			continue
		}
		f := Filter{Tool: t.tool, Err: err}
		if err == nil {
			f.Rules, f.Err = firewall.ParseIPTables(text, t.ipv6)
			known = append(known, shared(text, t.ipv6)...)
		}
		list = append(list, f)
	}
	text, err := ask(ctx, run, "nft", "-j", "list", "ruleset")
	if errors.Is(err, command.ErrNotFound) {
		return list
	}
	f := Filter{Tool: "nft", Err: err}
	if err == nil {
		f.Rules, f.Err = firewall.ParseNFT(text, known...)
	}
	return append(list, f)
}

// shared are the tables in what iptables-save prints that nft prints as well,
// by the name that nft has for them. A table that iptables can't read is not
// among them.
func shared(text []byte, ipv6 bool) (names []string) {
	if !bytes.Contains(text, []byte("(nf_tables)")) {
		return nil
	}
	family := "ip "
	if ipv6 {
		family = "ip6 "
	}
	for line := range bytes.Lines(text) {
		if table, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("*")); ok {
			names = append(names, family+string(table))
		}
	}
	return names
}

func ask(ctx context.Context, run command.Runner, name string, args ...string) ([]byte, error) {
	r, err := run(ctx, command.Program{Name: name, Args: args, Limit: filterLimit, Keep: filterSize})
	return r.Stdout, err
}
