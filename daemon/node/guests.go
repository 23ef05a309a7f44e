package node

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// readGuestsEach is how often the guests' files are read for changes.
const readGuestsEach = time.Minute

// guestFiles is the digest of the guests' files that the peer was told last; "" is
// none yet.
type guestFiles struct{ digest atomic.Pointer[string] }

func (g *guestFiles) last() string {
	if digest := g.digest.Load(); digest != nil {
		return *digest
	}
	return ""
}

// compareGuests tells the peer of the guests' files as long as the node runs.
func (n *Node) compareGuests() {
	each := time.NewTicker(readGuestsEach)
	defer each.Stop()
	for {
		n.readGuests()
		select {
		case <-each.C:
		case <-n.ctx.Done():
			return
		}
	}
}

// noGuests is the digest of no files.
const noGuests = "none"

// readGuests reads the guests' files, and tells the peer if they have changed.
// What can't be read is for the start of the guests to say.
func (n *Node) readGuests() {
	digest, _ := xen.Digest(n.site.GuestDirs()...)
	digest = cmp.Or(digest, noGuests)
	if digest != n.guests.last() {
		n.guests.digest.Store(&digest)
		n.sayGuests()
	}
}

func (n *Node) sayGuests() {
	if digest := n.guests.last(); digest != "" {
		n.beat(machine.SayGuests(digest))
	}
}
