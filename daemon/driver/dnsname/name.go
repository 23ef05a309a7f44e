// Package dnsname points a name at the node that has its group, by DNS
// updates: for a move to a site where an address can't follow.
//
//	DNS::www.example.org::milo1=192.0.2.1::milo2=198.51.100.1::server=ns1.example.org::key=/etc/ha.d/dns.key
//
// The zone's server is asked, not a resolver, which may remember. One that
// can't be asked holds up neither a stop nor a start-up: a name that points to
// the wrong node does no harm to data. Source: RFC 2136, RFC 8945 (TSIG).
package dnsname

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/optionc/pollux/daemon/core/failover"
)

// DefaultTTL is how long resolvers may remember where the name points, in
// seconds.
const DefaultTTL = 60

// fudge is how far the clocks of node and server may be apart, in seconds.
// Source: RFC 8945, section 10.
const fudge = 300

// askLimit is how long the server has for an answer.
const askLimit = 10 * time.Second

// Name is one name, and where it points for each node.
type Name struct {
	// Name and Zone end with a dot.
	Name, Zone string
	// Own is this node's address, Others those of the other nodes.
	Own    netip.Addr
	Others []netip.Addr
	// Server is HOST:PORT of the zone's primary.
	Server string
	TTL    uint32
	// KeyFile has the key of updates, as tsig-keygen writes it; "" is none.
	KeyFile string

	mu sync.Mutex
	// here says that the name pointed here when that was known last.
	here bool
}

// Parse reads the arguments of a word of haresources, for the node of a name.
func Parse(node string, args []string) (*Name, error) {
	if len(args) == 0 {
		return nil, errors.New("want DNS::NAME::NODE=ADDRESS::NODE=ADDRESS::server=HOST")
	}
	n := &Name{Name: dns.Fqdn(args[0]), TTL: DefaultTTL}
	if _, ok := dns.IsDomainName(n.Name); !ok || strings.Count(n.Name, ".") < 2 {
		return nil, fmt.Errorf("%q is no name in a zone", args[0])
	}
	_, n.Zone, _ = strings.Cut(n.Name, ".")
	for _, arg := range args[1:] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("argument %q: want NODE=ADDRESS, or server, zone, key or ttl =VALUE", arg)
		}
		if err := n.set(node, key, value); err != nil {
			return nil, err
		}
	}
	switch {
	case n.Server == "":
		return nil, errors.New("no server: want server=HOST, the primary of the zone")
	case !n.Own.IsValid():
		return nil, fmt.Errorf("no address of this node: want %s=ADDRESS", node)
	case !dns.IsSubDomain(n.Zone, n.Name):
		return nil, fmt.Errorf("%s is not in the zone %s", n.Name, n.Zone)
	}
	return n, nil
}

func (n *Name) set(node, key, value string) error {
	switch key {
	case "server":
		n.Server = value
		if _, _, err := net.SplitHostPort(value); err != nil {
			n.Server = net.JoinHostPort(value, "53")
		}
	case "zone":
		n.Zone = dns.Fqdn(value)
	case "key":
		n.KeyFile = value
	case "ttl":
		ttl, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return fmt.Errorf("ttl %q: want a number of seconds", value)
		}
		n.TTL = uint32(ttl)
	default:
		address, err := netip.ParseAddr(value)
		if err != nil {
			return fmt.Errorf("%q of %s is no address", value, key)
		}
		if strings.EqualFold(key, node) {
			n.Own = address
		} else {
			n.Others = append(n.Others, address)
		}
	}
	return nil
}

// record is where the name points, for one address.
func (n *Name) record(address netip.Addr) dns.RR {
	h := dns.RR_Header{Name: n.Name, Class: dns.ClassINET, Ttl: n.TTL}
	if address.Is4() {
		h.Rrtype = dns.TypeA
		return &dns.A{Hdr: h, A: address.AsSlice()}
	}
	h.Rrtype = dns.TypeAAAA
	return &dns.AAAA{Hdr: h, AAAA: address.AsSlice()}
}

// exchange asks the server, over TCP, so that an answer is whole.
func (n *Name) exchange(ctx context.Context, m *dns.Msg, secrets map[string]string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	client := dns.Client{Net: "tcp", TsigSecret: secrets}
	answer, _, err := client.ExchangeContext(ctx, m, n.Server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", n.Server, err)
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s", n.Server, dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

// pointsHere asks whether the name points to this node.
func (n *Name) pointsHere(ctx context.Context) (bool, string, error) {
	m := new(dns.Msg)
	m.SetQuestion(n.Name, n.record(n.Own).Header().Rrtype)
	m.RecursionDesired = false
	answer, err := n.exchange(ctx, m, nil)
	if err != nil {
		return false, "", err
	}
	here, all := false, []string{}
	for _, rr := range answer.Answer {
		var address netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			address, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			address, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		all = append(all, address.String())
		here = here || address == n.Own
	}
	if len(all) == 0 {
		return false, n.Name + " has no address", nil
	}
	return here, n.Name + " points to " + strings.Join(all, ", "), nil
}

// Status asks the server. If it can't be asked, what was known last counts.
func (n *Name) Status(ctx context.Context) (failover.State, string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	here, text, err := n.pointsHere(ctx)
	if err != nil {
		text = "what was known last counts: " + err.Error()
	} else {
		n.here = here
	}
	if n.here {
		return failover.Running, text, nil
	}
	return failover.Stopped, text, nil
}

// Start lets the name point to this node, and to no other.
func (n *Name) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := new(dns.Msg)
	m.SetUpdate(n.Zone)
	m.RemoveRRset([]dns.RR{
		&dns.ANY{Hdr: dns.RR_Header{Name: n.Name, Rrtype: dns.TypeA}},
		&dns.ANY{Hdr: dns.RR_Header{Name: n.Name, Rrtype: dns.TypeAAAA}},
	})
	m.Insert([]dns.RR{n.record(n.Own)})
	if err := n.update(ctx, m); err != nil {
		return fmt.Errorf("point %s to %s: %w", n.Name, n.Own, err)
	}
	n.here = true
	return nil
}

// Stop removes this node's address, so that no new user comes. A server that
// can't be reached is an error, after which the name counts as stopped all the
// same: see the package.
func (n *Name) Stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here = false
	m := new(dns.Msg)
	m.SetUpdate(n.Zone)
	m.Remove([]dns.RR{n.record(n.Own)})
	if err := n.update(ctx, m); err != nil {
		return fmt.Errorf("take %s from %s: %w", n.Own, n.Name, err)
	}
	return nil
}

// update sends an update, signed if there is a key.
func (n *Name) update(ctx context.Context, m *dns.Msg) error {
	var secrets map[string]string
	if n.KeyFile != "" {
		text, err := os.ReadFile(n.KeyFile)
		if err != nil {
			return fmt.Errorf("key of DNS updates: %w", err)
		}
		k, err := parseKey(string(text))
		if err != nil {
			return fmt.Errorf("key of DNS updates: %s: %w", n.KeyFile, err)
		}
		secrets = map[string]string{k.name: k.secret}
		m.SetTsig(k.name, k.algorithm, fudge, time.Now().Unix())
	}
	answer, err := n.exchange(ctx, m, secrets)
	if err == nil && answer.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("%s answers %s", n.Server, dns.RcodeToString[answer.Rcode])
	}
	return err
}
