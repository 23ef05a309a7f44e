package liveness

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Config is what a core is made from. Times are as in ha.cf.
type Config struct {
	Node, Peer string // names as in ha.cf; upper case counts as lower case
	UUID       hbwire.UUID
	// Generation must be higher than at any earlier start of this node, and on
	// disk before the first packet: a peer drops all packets of a lower one.
	Generation uint64
	Keepalive  time.Duration // above 0
	Deadtime   time.Duration // above twice Keepalive
	Warntime   time.Duration // 0: half of Deadtime
	Initdead   time.Duration // at least Deadtime; 0: Deadtime
	// MaxResendDelay is the longest wait before a lost message is asked for, and
	// the wait between asking again. 0: 250 ms.
	MaxResendDelay time.Duration
	Keys           hbwire.Keys
	Encoding       hbwire.Encoding // what to send, until the peer turns out to know Classic alone
	TTL            uint64          // nodes and ping nodes of ha.cf, and hopfudge; 0: 3
	Media          []string        // names that Datagram inputs carry, for the state of the links
	Seed           uint64          // of the delays drawn
}

func (cfg Config) withDefaults() Config {
	cfg.Node, cfg.Peer = strings.ToLower(cfg.Node), strings.ToLower(cfg.Peer)
	if cfg.Warntime == 0 {
		cfg.Warntime = cfg.Deadtime / 2
	}
	if cfg.Initdead == 0 {
		cfg.Initdead = cfg.Deadtime
	}
	if cfg.MaxResendDelay == 0 {
		cfg.MaxResendDelay = 250 * time.Millisecond
	}
	if cfg.TTL == 0 {
		cfg.TTL = 3
	}
	return cfg
}

// check says what would make the core misjudge the peer, or the peer this node.
func (cfg Config) check() error {
	switch {
	case cfg.Node == "" || cfg.Peer == "" || cfg.Node == cfg.Peer:
		return fmt.Errorf("found nodes %q and %q, want two different names", cfg.Node, cfg.Peer)
	case cfg.UUID == hbwire.UUID{}:
		return fmt.Errorf("found no uuid for node %s, want one kept since its first start", cfg.Node)
	case cfg.Generation == 0:
		return fmt.Errorf("found generation 0 for node %s, want one above that of its last start", cfg.Node)
	case cfg.Keepalive <= 0:
		return fmt.Errorf("found keepalive %v, want more than 0", cfg.Keepalive)
	case cfg.Deadtime <= 2*cfg.Keepalive:
		return fmt.Errorf("found deadtime %v, want more than twice keepalive %v", cfg.Deadtime, cfg.Keepalive)
	case cfg.Initdead < cfg.Deadtime:
		return fmt.Errorf("found initdead %v, want at least deadtime %v", cfg.Initdead, cfg.Deadtime)
	case cfg.Warntime <= 0:
		return fmt.Errorf("found warntime %v, want more than 0", cfg.Warntime)
	case cfg.MaxResendDelay < 0:
		return fmt.Errorf("found max_rexmit_delay %v, want more than 0", cfg.MaxResendDelay)
	}
	_, err := cfg.Keys.Sign(hbwire.Message{hbwire.Text(hbwire.FieldType, hbwire.MsgStatus)}, cfg.Encoding)
	return err
}
