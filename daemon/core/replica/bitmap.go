package replica

import (
	"fmt"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// sendBitmap sends the whole bitmap at once: nothing may come between its
// packets.
func (r *Resource) sendBitmap() {
	s := drbdwire.NewBitmapSender(r.bits.Words(), r.bits.Bits())
	room := drbdwire.BitmapRoom(drbdwire.H100)
	for done := false; !done; {
		var cmd drbdwire.Command
		var payload []byte
		cmd, payload, done = s.Next(room, r.cfg.UseRLE, nil)
		r.send(DataSocket, cmd, payload)
	}
}

// bitmapArrived merges the peer's bitmap. When it is complete the target sends
// the union back, and both go on to the resync.
func (r *Resource) bitmapArrived(cmd drbdwire.Command, data []byte) error {
	if r.lostForResync() {
		return nil
	}
	conn := r.state.Conn
	if conn != drbdwire.WFBitMapS && conn != drbdwire.WFBitMapT {
		return fmt.Errorf("%s came in connection state %s", cmd, conn)
	}
	if !r.sync.receiving {
		r.sync.receiving = true
		r.sync.receiver = drbdwire.NewBitmapReceiver(r.bits.Words(), r.bits.Bits(), drbdwire.BitmapRoom(drbdwire.H100))
		if planted.On(planted.ForgetOwnBitmap) && conn == drbdwire.WFBitMapT {
			clear(r.bits.Words())
		}
	}
	done, err := r.sync.receiver.Take(cmd, data)
	if err != nil || !done {
		return err
	}
	r.sync.receiving = false
	r.bits.Merged()
	if conn == drbdwire.WFBitMapS {
		r.sync.telling = false
		r.becomeSource()
		return nil
	}
	r.sendBitmap()
	r.meta.allPages = true
	r.meta.dirty()
	next := r.state
	next.Conn = drbdwire.WFSyncUUID
	r.set(next, "bitmaps exchanged")
	return nil
}
