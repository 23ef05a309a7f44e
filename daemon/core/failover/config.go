package failover

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/format/haconf"
)

// Config is what a core is made from; it must be the same on both nodes, but for the names changing places.
type Config struct {
	Node, Peer string // names as in ha.cf; upper case counts as lower case
	// Failback on, and legacy: groups go back to the node that their line names
	// once it has returned and its copy of the data is fit. What legacy does with
	// a real Heartbeat is in legacy.go.
	Failback haconf.Failback
	Patience Patience         // with what goes back
	Groups   haconf.Resources // at most 1024
	Monitor  Monitor
	Fence    bool // there is a device that switches the peer off
	// Rooms says which groups need room on a node, as their guests need memory: see
	// Weigh. It may be shorter than Groups.
	Rooms []bool
}

// Copies says what the data below a group allows. The answers may change at any time; after a change the shell gives
// Poke. A reason is for people and says what would change the answer.
type Copies interface {
	// MayStart says whether this node's data may be used now, given that the
	// peer has stopped the group or counts as dead. Whatever else must come
	// before a takeover, as fencing or a witness's lease, says no here as well.
	MayStart(group int) (ok bool, reason string)
	// MayGive says whether the peer's data is fit: connected and up to date.
	MayGive(group int) (ok bool, reason string)
	// Used says whether the peer uses the data now, as it is Primary and this node
	// is not. What of the group is here then has lost the device it stood on.
	Used(group int) bool
}

// A Set names groups from the point of view of one node, in the words of the wire. Source: Heartbeat wire, section 8.1.
type Set uint8

// The sets.
const (
	None    Set = 0
	Local   Set = 1 // groups whose line names the node
	Foreign Set = 2 // all others
	All     Set = Local | Foreign
)

// String is the set's word on the wire.
func (s Set) String() string { return [...]string{"none", "local", "foreign", "all"}[s&All] }

// ParseSet reads a word of the wire or of an administrator, where failback means foreign.
func ParseSet(word string) (Set, error) {
	switch strings.ToLower(word) {
	case "none":
		return None, nil
	case "local":
		return Local, nil
	case "foreign", "failback":
		return Foreign, nil
	case "all":
		return All, nil
	default:
		return None, fmt.Errorf("found %.40q, want none, local, foreign, failback or all", word)
	}
}

// turned is the same set as the other node names it.
func (s Set) turned() Set { return s>>1&1 | s<<1&2 }

func (cfg Config) check() error {
	if cfg.Node == "" || cfg.Peer == "" || cfg.Node == cfg.Peer {
		return fmt.Errorf("found nodes %q and %q, want two different names", cfg.Node, cfg.Peer)
	}
	if len(cfg.Groups) > maxGroups {
		return fmt.Errorf("found %d groups, want at most %d", len(cfg.Groups), maxGroups)
	}
	if m := cfg.Monitor; m.Every < 0 || m.Every > 0 && (m.Restarts < 1 || m.Period <= 0) {
		return fmt.Errorf("found monitor %v with %d restarts within %v, want times, and at least one restart",
			m.Every, m.Restarts, m.Period)
	}
	if p := cfg.Patience; p.Steady < 0 || p.Period < 0 {
		return fmt.Errorf("found failback after %v, once in %v, want times", p.Steady, p.Period)
	}
	for i, g := range cfg.Groups {
		if len(g.Resources) == 0 {
			return fmt.Errorf("group %d: found no resource, want at least one", i+1)
		}
		if name := strings.ToLower(g.Node); name != cfg.Node && name != cfg.Peer {
			return fmt.Errorf("group %s: found node %q, want %s or %s", g.Key(), g.Node, cfg.Node, cfg.Peer)
		}
	}
	return nil
}
