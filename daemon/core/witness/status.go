package witness

import "time"

// Snapshot is what can be said about a client at one moment.
type Snapshot struct {
	Unreached string // why the witness can't be reached; empty if it can, or is not known
	Groups    []GroupSnapshot
}

// GroupSnapshot is one group's lease on this node.
type GroupSnapshot struct {
	Name   string
	Held   bool
	Until  time.Duration // on the node's clock; 0: never
	Reason string        // why it is not held
}

// Snapshot describes the client as it is now.
func (c *Client) Snapshot(now time.Duration) Snapshot {
	s := Snapshot{Unreached: c.unreached}
	for i, name := range c.cfg.Groups {
		g := GroupSnapshot{Name: name, Until: c.Until(i)}
		g.Held, g.Reason = c.Held(now, i)
		s.Groups = append(s.Groups, g)
	}
	return s
}
