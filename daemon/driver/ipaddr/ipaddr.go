// Package ipaddr moves an IP address between the nodes: Heartbeat's IPaddr,
// IPaddr2 and IPv6addr, without their scripts.
//
// The kernel is asked which addresses there are; ip(8) changes them. After a
// start the neighbours are told: by gratuitous ARP, or by an unsolicited
// neighbour advertisement.
package ipaddr

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// How often the neighbours are told, and how long between: one packet may get
// lost, and some switches learn slowly after a link came up.
const (
	DefaultTells = 5
	tellEach     = 200 * time.Millisecond
)

// Address is one address that is on one node at a time. It keeps no state.
type Address struct {
	IP netip.Addr
	// Bits is the length of the network's part; -1 is that of the network of an
	// interface that the address belongs to.
	Bits int
	// Interface is where it goes; "" is one that has a network with the address.
	// A name as eth0:1 makes that the address's label.
	Interface string
	// Broadcast is invalid unless it was given.
	Broadcast netip.Addr
	// Tells is how often the neighbours are told; 0 is DefaultTells.
	Tells int
	Run   command.Runner
}

// Parse reads the arguments of a word of haresources:
//
//	ip[/masklen[/interface][/broadcast]]
//
// "::" of an IPv6 address were taken for the end of an argument. Source:
// Heartbeat, section 9.1.
func Parse(args []string) (Address, error) {
	parts := strings.Split(strings.Join(args, "::"), "/")
	a := Address{Bits: -1}
	var err error
	if a.IP, err = netip.ParseAddr(parts[0]); err != nil || a.IP.Zone() != "" || a.IP.Is4In6() {
		return a, fmt.Errorf("%q is no address: want IP[/MASKLEN[/INTERFACE][/BROADCAST]]", parts[0])
	}
	if len(parts) > 1 {
		if a.Bits, err = strconv.Atoi(parts[1]); err != nil || a.Bits < 1 || a.Bits > a.IP.BitLen() {
			return a, fmt.Errorf("%q is no length of a network of %s: want 1 to %d", parts[1], a.IP, a.IP.BitLen())
		}
	}
	rest := parts[min(2, len(parts)):]
	if len(rest) > 0 && (rest[0] == "" || rest[0][0] < '0' || rest[0][0] > '9') {
		if a.Interface, rest = rest[0], rest[1:]; a.Interface == "" || strings.ContainsAny(a.Interface, " \t-") {
			return a, fmt.Errorf("%q is no name of an interface", a.Interface)
		}
	}
	if len(rest) > 0 {
		if a.Broadcast, err = netip.ParseAddr(rest[0]); err != nil || !a.Broadcast.Is4() || !a.IP.Is4() {
			return a, fmt.Errorf("%q is no broadcast address of %s", rest[0], a.IP)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return a, fmt.Errorf("%q is one part too many: want IP[/MASKLEN[/INTERFACE][/BROADCAST]]", rest[0])
	}
	return a, nil
}

// place is where the address is, or would be.
type place struct {
	name  string
	index int
	mac   net.HardwareAddr
	bits  int
}

// look finds the interface that has the address, and one that could have it.
func (a Address) look() (has, could *place, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, nil, err
	}
	device, _, _ := strings.Cut(a.Interface, ":")
	for _, i := range all {
		addresses, err := i.Addrs()
		if err != nil {
			return nil, nil, err
		}
		if device == i.Name && could == nil {
			could = &place{name: i.Name, index: i.Index, mac: i.HardwareAddr, bits: a.IP.BitLen()}
		}
		for _, x := range addresses {
			network, err := netip.ParsePrefix(x.String())
			if err != nil {
				continue
			}
			here := &place{name: i.Name, index: i.Index, mac: i.HardwareAddr, bits: network.Bits()}
			if network.Addr() == a.IP {
				has = here
				continue
			}
			fits := network.Contains(a.IP) && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0
			if fits && (device == i.Name || device == "" && (could == nil || network.Bits() > could.bits)) {
				could = here
			}
		}
	}
	return has, could, nil
}

// Status looks for the address on all interfaces.
func (a Address) Status(context.Context) (failover.State, string, error) {
	has, _, err := a.look()
	switch {
	case err != nil:
		return failover.Unknown, "", fmt.Errorf("status of address %s: %w", a.IP, err)
	case has == nil:
		return failover.Stopped, fmt.Sprintf("no interface has %s", a.IP), nil
	default:
		return failover.Running, "on " + has.name, nil
	}
}

// Start adds the address and tells the neighbours; those of an address that is
// there already are told again.
func (a Address) Start(ctx context.Context) error {
	has, could, err := a.look()
	switch {
	case err != nil:
		return fmt.Errorf("start address %s: %w", a.IP, err)
	case has == nil && could == nil:
		return fmt.Errorf("start address %s: no interface is up that has a network with it, and none is named: "+
			"write %s/MASKLEN/INTERFACE", a.IP, a.IP)
	case has == nil:
		if err := a.add(ctx, could); err != nil {
			return fmt.Errorf("start address %s: %w", a.IP, err)
		}
		has = could
	}
	if err := a.tellAll(ctx, has); err != nil {
		return fmt.Errorf("start address %s on %s: tell the neighbours: %w", a.IP, has.name, err)
	}
	return nil
}

func (a Address) add(ctx context.Context, p *place) error {
	bits := a.Bits
	if bits < 0 {
		bits = p.bits
	}
	args := []string{"addr", "add", netip.PrefixFrom(a.IP, bits).String(), "dev", p.name}
	switch {
	case a.IP.Is6():
		// Whoever has it is known already: it is the group's.
		args = append(args, "nodad")
	case a.Broadcast.IsValid():
		args = append(args, "broadcast", a.Broadcast.String())
	default:
		args = append(args, "broadcast", "+")
	}
	if strings.Contains(a.Interface, ":") {
		args = append(args, "label", a.Interface)
	}
	_, err := a.Run(ctx, command.Program{Name: "ip", Args: args})
	return err
}

// Stop removes the address.
func (a Address) Stop(ctx context.Context) error {
	has, _, err := a.look()
	if err != nil {
		return fmt.Errorf("stop address %s: %w", a.IP, err)
	}
	if has == nil {
		return nil
	}
	_, err = a.Run(ctx, command.Program{
		Name: "ip", Args: []string{"addr", "del", netip.PrefixFrom(a.IP, has.bits).String(), "dev", has.name},
	})
	if err != nil {
		return fmt.Errorf("stop address %s: %w", a.IP, err)
	}
	return nil
}

// tellAll tells the neighbours a few times. An interface without a hardware
// address has none.
func (a Address) tellAll(ctx context.Context, p *place) error {
	if len(p.mac) != macSize {
		return nil
	}
	tells := a.Tells
	if tells <= 0 {
		tells = DefaultTells
	}
	for i := range tells {
		if i > 0 {
			select {
			case <-time.After(tellEach):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		tell := tellARP
		if a.IP.Is6() {
			tell = tellNeighbours
		}
		if err := tell(a.IP, p); err != nil {
			return err
		}
	}
	return nil
}
