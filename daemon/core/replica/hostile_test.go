package replica_test

import (
	"math/rand/v2"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// babble makes a packet of any kind that names blocks, as a peer might send it
// at any time.
func (e *end) babble(luck *rand.Rand) replica.Input {
	sector, size := luck.Uint64N(sectors/8)*8, uint32(1+luck.IntN(16))*512
	if luck.IntN(2) == 0 {
		sector, size = luck.Uint64N(64)*8, 4096
	}
	id := drbdwire.Syncer()
	switch luck.IntN(4) {
	case 0:
		id = drbdwire.VerifiedOutOfSync()
	case 1:
		id = drbdwire.BlockID{byte(luck.IntN(8))}
	}
	in := replica.Input{Kind: replica.Packet, Conn: e.conn}
	request := drbdwire.BlockRequest{Sector: sector, ID: id, Size: size}.Append(nil)
	ack := drbdwire.BlockAck{Sector: sector, ID: id, Size: size}.Append(nil)
	desc := drbdwire.BlockDesc{Sector: sector, Size: size}.Append(nil)
	pick := func(kinds ...drbdwire.Command) drbdwire.Command { return kinds[luck.IntN(len(kinds))] }
	switch luck.IntN(7) {
	case 0:
		in.Command = pick(drbdwire.CmdRSDataRequest, drbdwire.CmdRSThinReq, drbdwire.CmdOVRequest, drbdwire.CmdDataRequest)
		in.Data = request
	case 1:
		in.Command = pick(drbdwire.CmdCsumRSRequest, drbdwire.CmdOVReply)
		in.Data = append(request, make([]byte, 1+luck.IntN(40))...)
	case 2:
		in.Socket = replica.MetaSocket
		in.Command = pick(drbdwire.CmdOVResult, drbdwire.CmdRSIsInSync, drbdwire.CmdNegRSDReply, drbdwire.CmdRSWriteAck,
			drbdwire.CmdRSCancel, drbdwire.CmdNegAck, drbdwire.CmdWriteAck)
		in.Data = ack
	case 3:
		in.Command = pick(drbdwire.CmdRSDeallocated, drbdwire.CmdOutOfSync)
		in.Data = desc
	case 4:
		in.Command = pick(drbdwire.CmdData, drbdwire.CmdRSDataReply, drbdwire.CmdDataReply)
		in.Data = append(drbdwire.Data{Sector: sector, ID: id}.Append(nil), make([]byte, e.peer.digest)...)
		in.Size = size
		in.Buf = e.payload(make([]byte, size))
	case 5:
		in.Command = drbdwire.CmdStateChgReq
		in.Data = drbdwire.StateChange{
			Mask: uint32(drbdwire.ConnMask) << 4, Value: uint32(pick(10, 11, 12, 18, 19, 22)) << 4,
		}.Append(nil)
	default:
		s := drbdwire.State{
			Role: drbdwire.Role(1 + luck.IntN(2)), Peer: drbdwire.Secondary, Conn: drbdwire.ConnState(10 + luck.IntN(14)),
			Disk: drbdwire.DiskState(luck.IntN(9)), PeerDisk: drbdwire.UpToDate, UserPause: luck.IntN(4) == 0,
		}
		in.Command, in.Data = drbdwire.CmdState, drbdwire.AppendState(nil, s)
	}
	return in
}

var _ = Describe("A peer that says anything at any time", func() {
	for name, change := range map[string]func(*replica.Config){
		"without digests": func(*replica.Config) {},
		"with all of them": func(c *replica.Config) {
			c.VerifyAlg, c.CsumsAlg, c.IntegrityAlg, c.RSDiscardGranularity = "md5", "md5", "crc32c", 4096
		},
	} {
		It("breaks no assertion, and no payload is lost, "+name, func() {
			luck := rand.New(rand.NewPCG(1, 2))
			for range 10 {
				p := synced(change)
				for range 100 {
					e := []*end{p.a, p.b}[luck.IntN(2)]
					if e.conn == 0 {
						break
					}
					e.step(e.babble(luck))
					if luck.IntN(10) == 0 {
						e.verify(0, 0)
					}
					if luck.IntN(3) == 0 {
						p.run()
					}
				}
				p.part()
				p.run()
				for _, e := range []*end{p.a, p.b} {
					Expect(e.payloads).To(BeEmpty())
				}
			}
		})
	}

	DescribeTable("is parted from when it clears more at once than the activity log has room for",
		func(cmd drbdwire.Command, flags drbdwire.DataFlags) {
			p := synced(func(c *replica.Config) { c.ALExtents = 7 })
			p.a.mustOrder(replica.OrderDetach, false) // so that the other one has to note it
			in := replica.Input{Kind: replica.Packet, Conn: p.b.conn, Command: cmd}
			in.Data = drbdwire.Trim{Data: drbdwire.Data{Flags: flags}, Size: 31 << 20}.Append(nil)
			p.b.step(in)
			Expect(p.b.core.Status().Note).To(HaveSuffix("writes to 8 extents at once, and the activity log has room for at most 7"))
		},
		Entry("by a discard", drbdwire.CmdTrim, drbdwire.FlagDiscard),
		Entry("by zeroing", drbdwire.CmdZeroes, drbdwire.FlagZeroes),
	)
})
