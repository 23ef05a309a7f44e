package drbdconf

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Config is what drbd.conf and the files that it includes say. What stands in
// common is merged into every resource.
type Config struct {
	Global    Global
	Resources []Resource // in the order of the files
	// Warnings are for a human: what is ignored, or means something else than
	// when the file was written.
	Warnings []Warning
}

// Resource returns the resource of that name.
func (c *Config) Resource(name string) (*Resource, bool) {
	i := slices.IndexFunc(c.Resources, func(r Resource) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Resources[i], true
}

// Global holds what concerns the tools rather than a resource.
type Global struct {
	UsageCount            UsageCount
	MinorCount            int           // 0 if not given; of no effect
	DialogRefresh         time.Duration // how often a waiting dialogue redraws its countdown
	DisableIPVerification bool          // do not check that an address exists on this host
	UdevAlwaysUseVNR      bool
	CmdTimeoutShort       time.Duration
	CmdTimeoutMedium      time.Duration
	CmdTimeoutLong        time.Duration // 0 waits for ever
}

// Resource is a set of volumes replicated together between two hosts.
type Resource struct {
	Name    string
	Engine  Engine
	Hosts   [2]Host // in the order of the file
	Net     NetOptions
	Disk    DiskOptions // what the volumes start from; Volume.Options is what counts
	Startup StartupOptions
	Options ResourceOptions // what the hosts start from; Host.Options is what counts
	// Handlers are command lines for /bin/sh -c by the name of their event,
	// such as fence-peer. It is never nil.
	Handlers map[string]string
	// InconDegrCmd: pri-on-incon-degr is the incon-degr-cmd of a file for DRBD
	// 0.7, which ran when a node with inconsistent data was to become Primary.
	InconDegrCmd bool
	IgnoreOn     []string // hosts that do not use this resource
	Pos          Pos

	given given
}

// GivesDisk says whether the files set that option of disk for the resource as
// a whole, rather than leave it to its default.
func (r *Resource) GivesDisk(option string) bool {
	given, _ := isGiven(diskSection, r.given.disk, &r.Disk, option)
	return given
}

// An Engine is what replicates a resource.
type Engine uint8

// The engines. The statement is a word of pollux's own, in a resource or in
// common: "engine kernel;". DRBD's tools do not know it.
const (
	EnginePollux Engine = 0 // pollux itself
	// EngineKernel: the DRBD of the kernel, which pollux drives through
	// drbd-utils.
	EngineKernel Engine = 1
)

var engines = words[Engine]{{"pollux", EnginePollux}, {"kernel", EngineKernel}}

// String is the engine's word in the file.
func (e Engine) String() string { return engines.name(e) }

// ParseEngine reads that word.
func ParseEngine(word string) (Engine, error) {
	for _, x := range engines {
		if x.word == word {
			return x.value, nil
		}
	}
	return 0, fmt.Errorf("engine: found %.40q, want one of %s", word, engines.list())
}

// given remembers which options the file itself sets, for Dump.
type given struct{ net, disk, startup, options uint64 }

// Host is one side of a resource.
type Host struct {
	// Names are the host's names as uname -n prints them; there is usually
	// one. None says floating: the host is whoever has the address.
	Names   []string
	Address Address
	Volumes []Volume // by number; both hosts have the same numbers
	Options ResourceOptions
	Pos     Pos
}

// Is says whether name, a host name or for a floating host an IP address, is
// this host's.
func (h *Host) Is(name string) bool {
	if len(h.Names) == 0 {
		return sameIP(h.Address.IP, name)
	}
	return slices.Contains(h.Names, name)
}

// Volume returns the volume of that number.
func (h *Host) Volume(number uint16) (*Volume, bool) {
	i := slices.IndexFunc(h.Volumes, func(v Volume) bool { return v.Number == number })
	if i < 0 {
		return nil, false
	}
	return &h.Volumes[i], true
}

// label is the host as messages name it.
func (h *Host) label() string {
	if len(h.Names) == 0 {
		return "floating " + h.Address.String()
	}
	return "on " + h.Names[0]
}

// Host returns the side of the resource that has this name: what uname -n
// prints there, or for a floating host its IP address.
func (r *Resource) Host(name string) (*Host, bool) {
	for i := range r.Hosts {
		if r.Hosts[i].Is(name) {
			return &r.Hosts[i], true
		}
	}
	return nil, false
}

// Peer returns the other side than the one that has this name.
func (r *Resource) Peer(name string) (*Host, bool) {
	for i := range r.Hosts {
		if r.Hosts[i].Is(name) {
			return &r.Hosts[1-i], true
		}
	}
	return nil, false
}

// AfterSB0Pri is the policy for a split brain without a Primary as the host
// of this name has to follow it: discard-node-NAME becomes discard-local on
// that host and discard-remote on the other.
func (r *Resource) AfterSB0Pri(name string) AfterSB {
	if r.Net.AfterSB0Pri != ASBDiscardNode {
		return r.Net.AfterSB0Pri
	}
	if h, ok := r.Host(name); ok && h.Is(r.Net.DiscardNode) {
		return ASBDiscardLocal
	}
	return ASBDiscardRemote
}

// Address is where a host listens and whence it connects.
type Address struct {
	IP   string // as written; an IPv6 address may end in %zone
	Port uint16 // 1 to 65535
	IPv6 bool
}

// String is the address as net.Dial takes it.
func (a Address) String() string {
	port := strconv.Itoa(int(a.Port))
	if a.IPv6 {
		return "[" + a.IP + "]:" + port
	}
	return a.IP + ":" + port
}

// Volume is one replicated device as one host has it.
type Volume struct {
	Number  uint16
	Device  string // the block device that users open, /dev/drbd1
	Minor   int    // 0 to 2^20-1
	Disk    string // the backing device; empty for disk none
	Meta    MetaDisk
	Options DiskOptions
}

// A MetaKind says where a volume's metadata lie.
type MetaKind uint8

// The places of metadata.
const (
	MetaInternal MetaKind = 0 // at the end of the backing device
	MetaFlexible MetaKind = 1 // the whole of MetaDisk.Device
	MetaIndexed  MetaKind = 2 // the 128 MiB slot MetaDisk.Index of MetaDisk.Device
)

// MetaDisk is where a volume's metadata lie.
type MetaDisk struct {
	Kind   MetaKind
	Device string // empty if internal
	Index  int    // 0 unless indexed
}

// String is the value of the meta-disk statement.
func (m MetaDisk) String() string {
	switch m.Kind {
	case MetaFlexible:
		return quote(m.Device)
	case MetaIndexed:
		return quote(m.Device) + " [" + strconv.Itoa(m.Index) + "]"
	default:
		return "internal"
	}
}
