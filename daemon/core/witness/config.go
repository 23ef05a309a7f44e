package witness

import (
	"errors"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Policy says what a node does that has lost its peer.
type Policy uint8

// The policies.
const (
	// LastMan: it goes on, and takes over after deadtime. If only the link was
	// cut, both do.
	LastMan Policy = 0
	// Freeze: its guests' I/O waits until the peer is back, or an operator
	// decides. Nobody takes over.
	Freeze Policy = 1
	// ByWitness: who has the lease goes on, or takes over. The other one freezes,
	// and stops its guests before the lease can be given away.
	ByWitness Policy = 2
)

// String is the policy's word in ha.cf.
func (p Policy) String() string { return [...]string{"last-man", "freeze", "witness"}[p] }

// Config is what a Client is made from.
type Config struct {
	Policy     Policy
	Cluster    string // the same on both nodes; no other pair of the witness has it
	Node, Peer string
	Lease      time.Duration // how long a promise lasts; whole milliseconds, the same on both nodes
	Groups     []string      // names, the same on both nodes
	Start      uint64        // grows over restarts of the node, below 1<<32
}

// shortest is a lease in which a witness 300 ms away can be asked six times.
const shortest = 3 * time.Second

// Check says what would make a lease worth nothing.
func (cfg Config) Check() error {
	switch {
	case cfg.Lease < shortest || cfg.Lease > time.Hour:
		return fmt.Errorf("found lease %v, want 3s to 1h", cfg.Lease)
	case len(cfg.Groups) > witnesswire.MaxGroups:
		return fmt.Errorf("found %d groups, want at most %d", len(cfg.Groups), witnesswire.MaxGroups)
	case cfg.size() > witnesswire.MaxSize:
		return fmt.Errorf("found %d bytes of names of groups, want fewer: all of them go into one packet of %d bytes",
			cfg.size(), witnesswire.MaxSize)
	case cfg.Node == "" || cfg.Peer == "" || cfg.Node == cfg.Peer:
		return fmt.Errorf("found nodes %q and %q, want two different names", cfg.Node, cfg.Peer)
	case cfg.Cluster == "" && cfg.Policy == ByWitness:
		return errors.New("found no name of the cluster, want one that no other pair of the witness has")
	}
	return nil
}

// size is that of a question.
func (cfg Config) size() int {
	ask := witnesswire.Ask{Cluster: cfg.Cluster, Node: cfg.Node}
	for _, name := range cfg.Groups {
		ask.Groups = append(ask.Groups, witnesswire.Group{Name: name})
	}
	return len(ask.Append(nil))
}
