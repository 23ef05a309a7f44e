package replica_test

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// end is one node of a pair: the core, and a disk that does at once what it is
// told unless the test holds it.
type end struct {
	name     string
	core     *replica.Resource
	peer     *end
	pair     *pair
	disk     []byte
	meta     []byte   // the disk that holds the metadata, nil if that is internal
	cached   []func() // takes back what the disk has in its cache, the oldest first
	payloads map[replica.Buf][]byte
	next     replica.Buf
	conn     uint32
	dialling bool
	exposed  bool
	inUse    bool
	size     uint64 // of the exposed device, sectors
	last     uint64 // of the disk, where its metadata was last seen
	answers  map[uint64]replica.Effect
	done     map[uint64]replica.Effect
	notes    []string
	sent     []drbdwire.Command
	digest   int // bytes, in the data packets it sends
	// hold keeps effects of these kinds back until release.
	hold map[replica.EffectKind]bool
	held []func()
	bad  bool // the disk fails whatever it is asked
	// badData: it fails what is asked of users' data.
	badData bool
	// badWrites is how many more writes of metadata fail, when goodWrites have not.
	goodWrites, badWrites int
	closed                bool // the disk was let go
	// tap hears every packet that is sent.
	tap func(cmd drbdwire.Command, data []byte, bulk uint32)
	// damage changes the next block that is sent.
	damage bool

	called  []string       // handlers, in their order
	exits   map[string]int // of handlers; others end well
	decided []string
	// writes is after how many more writes of metadata the node does nothing any
	// more, 0 for never.
	writes  int
	stopped bool
}

func config() replica.Config {
	return replica.Config{
		Name: "r1", Protocol: drbdwire.ProtocolC, ALExtents: 257, PingInt: 10 * time.Second,
		PingTimeout: 500 * time.Millisecond, Timeout: 6 * time.Second, KoCount: 7, MaxEpochSize: 2048, UseRLE: true,
	}
}

func freshDisk(sectors uint64) []byte {
	disk := make([]byte, sectors*512)
	layout, err := drbdmeta.Internal(sectors, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	super := drbdmeta.Superblock{
		UUIDs: drbdmeta.UUIDs{Current: drbdmeta.JustCreated}, Flags: drbdmeta.MDALClean, Clean: true,
		MDSize: layout.MDSize, ALOffset: -64, ALExtents: 257,
		BMOffset: int32((layout.Bitmap - layout.Superblock) / 512), Stripes: 1, StripeSize4k: 8,
	}
	copy(disk[layout.Superblock:], super.Append(nil))
	var log []byte
	for range 8 {
		log = drbdmeta.AppendInitialized(log)
	}
	copy(disk[layout.ActivityLog:], log)
	return disk
}

func (e *end) forget() {
	e.payloads = map[replica.Buf][]byte{}
	e.answers, e.done = map[uint64]replica.Effect{}, map[uint64]replica.Effect{}
	e.hold = map[replica.EffectKind]bool{}
	e.writes, e.stopped = 0, false
	e.held, e.sent, e.dialling, e.exposed, e.conn = nil, nil, false, false, 0
}

func (e *end) payload(data []byte) replica.Buf {
	e.next++
	e.payloads[e.next] = append([]byte(nil), data...)
	return e.next
}

func (e *end) step(in replica.Input) {
	for _, f := range e.core.Step(e.pair.now, in, nil) {
		f.Data = append([]byte(nil), f.Data...)
		e.core.Recycle()
		if e.hold[f.Kind] {
			e.held = append(e.held, func() { e.perform(f) })
			continue
		}
		e.perform(f)
	}
}

func (e *end) release() {
	e.hold = map[replica.EffectKind]bool{}
	e.doesWhatItHolds()
}

// doesWhatItHolds lets a disk do what it holds, and hold what comes after that.
func (e *end) doesWhatItHolds() {
	held := e.held
	e.held = nil
	for _, f := range held {
		f()
	}
	e.pair.run()
}

func (e *end) later(in replica.Input) {
	e.pair.queue = append(e.pair.queue, func() { e.step(in) })
}

// fail answers for a disk that is bad.
func (e *end) fail(f replica.Effect) bool {
	switch f.Kind {
	case replica.Read, replica.Write, replica.Trim, replica.Zero:
		e.later(replica.Input{Kind: replica.DiskDone, ID: f.ID, Failed: true})
	case replica.Flush:
		e.later(replica.Input{Kind: replica.DiskDone, Op: replica.OpFlush, ID: f.ID, Failed: true})
	case replica.MetaRead, replica.MetaWrite:
		e.later(replica.Input{Kind: replica.MetaDone, ID: f.ID, Failed: true})
	default:
		return false
	}
	return true
}

func (e *end) perform(f replica.Effect) {
	at := int(f.Sector) * 512
	if e.stopped {
		return
	}
	isMeta := f.Kind == replica.MetaRead || f.Kind == replica.MetaWrite
	if (e.bad || e.badData && !isMeta) && e.fail(f) {
		return
	}
	switch f.Kind {
	case replica.Dial:
		e.dialling = true
		e.pair.meet()
	case replica.Hangup:
		e.dialling = false
		if f.Conn != 0 && f.Conn == e.conn {
			e.pair.hangup(e.conn, "closed by "+e.name)
		}
	case replica.Send:
		e.transmit(f)
	case replica.Read:
		b := e.payload(e.disk[at : at+int(f.Size)])
		e.later(replica.Input{Kind: replica.DiskDone, ID: f.ID, Buf: b})
	case replica.Write:
		if block := e.disk[at : at+int(f.Size)]; !f.FUA {
			was := bytes.Clone(block)
			e.cached = append(e.cached, func() { copy(block, was) })
		}
		copy(e.disk[at:at+int(f.Size)], e.payloads[f.Buf])
		e.later(replica.Input{Kind: replica.DiskDone, ID: f.ID})
	case replica.Zero, replica.Trim:
		clear(e.disk[at : at+int(f.Size)])
		e.later(replica.Input{Kind: replica.DiskDone, ID: f.ID})
	case replica.Flush:
		e.cached = nil
		e.later(replica.Input{Kind: replica.DiskDone, Op: replica.OpFlush, ID: f.ID})
	case replica.MetaRead:
		data := append([]byte(nil), e.metaDisk()[f.Offset:f.Offset+int64(f.Size)]...)
		e.later(replica.Input{Kind: replica.MetaDone, ID: f.ID, Data: data})
	case replica.MetaWrite:
		if e.goodWrites--; e.badWrites > 0 && e.goodWrites < 0 {
			e.badWrites--
			e.fail(f)
			return
		}
		copy(e.metaDisk()[f.Offset:], f.Data)
		if f.FUA && e.meta == nil {
			e.cached = nil
		}
		if e.writes--; e.writes == 0 {
			e.stopped = true
		}
		e.later(replica.Input{Kind: replica.MetaDone, ID: f.ID})
	case replica.Complete:
		if f.Buf != 0 {
			f.Data = append([]byte(nil), e.payloads[f.Buf]...)
		}
		e.done[f.ID] = f
	case replica.Free:
		_, live := e.payloads[f.Buf]
		Expect(live).To(BeTrue(), "a payload is freed once")
		delete(e.payloads, f.Buf)
	case replica.Answer:
		e.answers[f.ID] = f
	case replica.Expose:
		e.exposed, e.size = true, f.Sector
		e.later(replica.Input{Kind: replica.DeviceDone})
	case replica.Withdraw:
		e.exposed = e.inUse
		e.later(replica.Input{Kind: replica.DeviceDone, Failed: e.inUse, Text: "held by a test"})
	case replica.Call:
		e.called = append(e.called, f.Text)
		e.later(replica.Input{Kind: replica.Called, ID: f.ID, Exit: e.exits[f.Text]})
	case replica.Decided:
		e.decided = append(e.decided, f.Text)
	case replica.Changed:
		e.notes = append(e.notes, f.Text)
	case replica.Broken:
		Fail(e.name + ": " + f.Text)
	case replica.Digest:
		e.later(replica.Input{Kind: replica.Digested, ID: f.ID, Data: digestOf(f.Text, e.payloads[f.Buf][:f.Size])})
	case replica.CloseDisk:
		e.closed = true
	case replica.Delegate:
	case replica.Measure:
		e.later(replica.Input{Kind: replica.Measured, Disk: e.measure()})
	case replica.Grown:
		Expect(f.Sector).To(BeNumerically(">", e.size), "a device only grows")
		e.size = f.Sector
	case replica.Located:
		e.last = f.Sector
	}
}

func digestOf(alg string, data []byte) []byte {
	if alg == replica.AllZero {
		zero := byte(1)
		for _, b := range data {
			if b != 0 {
				zero = 0
			}
		}
		return []byte{zero}
	}
	sum, err := drbdwire.AppendDigest(nil, alg, data)
	Expect(err).NotTo(HaveOccurred())
	return sum
}

// measure gives the sizes of the disk, which mostly holds its metadata too.
func (e *end) measure() replica.Disk {
	return replica.Disk{DataSectors: uint64(len(e.disk)) / 512, MetaSectors: uint64(len(e.metaDisk())) / 512, LastSectors: e.last}
}

func (e *end) metaDisk() []byte {
	if e.meta != nil {
		return e.meta
	}
	return e.disk
}

// hasMetadataApart gives a node a disk of its own for the metadata.
func (e *end) hasMetadataApart() {
	GinkgoHelper()
	e.meta = make([]byte, 1<<20)
	layout, err := drbdmeta.FlexibleExternal(uint64(len(e.meta))/512, sectors, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	for _, piece := range drbdmeta.Create(layout, 257, 1) {
		copy(e.meta[piece.Offset:], piece.Bytes())
	}
}

// losesPower is a crash in which the cache of the disk is lost, too.
func (e *end) losesPower() {
	for _, undo := range slices.Backward(e.cached) {
		undo()
	}
	e.cached = nil
	e.crash()
}

// enlarge adds to a disk what differs from node to node.
func (e *end) enlarge(size int) {
	e.disk = append(e.disk, bytes.Repeat([]byte(e.name[4:]), size)...)
}

func (e *end) transmit(f replica.Effect) {
	header, _, err := drbdwire.DecodeHeader(f.Data)
	Expect(err).NotTo(HaveOccurred())
	size, err := drbdwire.HeaderSize(f.Data)
	Expect(err).NotTo(HaveOccurred())
	fixed, bulk, err := drbdwire.Split(header.Command, header.Length, e.digest)
	Expect(err).NotTo(HaveOccurred())
	Expect(bulk).To(Equal(f.Size))
	Expect(f.Data[size:]).To(HaveLen(int(fixed)))
	e.sent = append(e.sent, header.Command)
	if header.Command == drbdwire.CmdProtocol {
		p, err := drbdwire.DecodeProtocol(f.Data[size:])
		Expect(err).NotTo(HaveOccurred())
		e.digest, _ = drbdwire.DigestSize(p.IntegrityAlg)
	}
	conn, to := e.conn, e.peer
	data := f.Data[size:]
	if e.tap != nil {
		e.tap(header.Command, data, bulk)
	}
	var payload []byte
	if bulk > 0 {
		payload = append([]byte(nil), e.payloads[f.Buf]...)
		Expect(payload).To(HaveLen(int(bulk)))
		if e.damage {
			e.damage = false
			payload[len(payload)-1] ^= 1
		}
	}
	e.pair.queue = append(e.pair.queue, func() {
		if e.pair.cut || to.conn != conn {
			return
		}
		in := replica.Input{
			Kind: replica.Packet, Conn: conn, Socket: f.Socket, Command: header.Command, Data: data, Size: bulk,
		}
		if bulk > 0 {
			in.Buf = to.payload(payload)
		}
		to.step(in)
	})
}

// orderID numbers the orders of all tests; what is below is for those that give their own.
var orderID uint64 = 1000

func (e *end) order(kind replica.OrderKind, force bool) replica.Effect {
	return e.give(replica.Input{Order: kind, Force: force, Disk: e.measure()})
}

// give gives an order and returns the answer.
func (e *end) give(in replica.Input) replica.Effect {
	orderID++
	id := orderID
	in.Kind, in.ID = replica.Order, id
	e.step(in)
	e.pair.run()
	answer, ok := e.answers[id]
	if !ok {
		e.pair.wait()
		answer = e.answers[id]
	}
	return answer
}

func (e *end) mustOrder(kind replica.OrderKind, force bool) {
	GinkgoHelper()
	answer := e.order(kind, force)
	Expect(answer.Code).To(BeNumerically(">=", drbdwire.Success), "%s: %s", e.name, answer.Text)
}

func (e *end) write(id, sector uint64, fill byte, size int) {
	data := make([]byte, size)
	for i := range data {
		data[i] = fill
	}
	e.step(replica.Input{
		Kind: replica.Request, Op: replica.OpWrite, ID: id, Sector: sector, Size: uint32(size), Buf: e.payload(data),
	})
}

// mustWrite writes one block, and the user is told that it is done.
func (e *end) mustWrite(id, sector uint64, fill byte) {
	GinkgoHelper()
	e.write(id, sector, fill, 4096)
	e.pair.run()
	Expect(e.done).To(HaveKey(id))
	Expect(e.done[id].Failed).To(BeFalse())
}

func (e *end) status() string {
	s := e.core.State()
	return fmt.Sprintf("%s/%s %s %s/%s", s.Role, s.Peer, s.Conn, s.Disk, s.PeerDisk)
}

// crash loses everything but the disk; the peer sees the connection end.
func (e *end) crash() {
	conn := e.conn
	e.pair.queue = nil
	cfg := config()
	orderID++
	cfg.Seed = orderID * 7919
	e.forget()
	e.core = replica.New(cfg)
	e.pair.hangup(conn, "reset by peer")
	e.pair.run()
}

// comesUp starts a node that has crashed, with other settings.
func (e *end) comesUp(change func(*replica.Config)) {
	GinkgoHelper()
	cfg := config()
	orderID++
	cfg.Seed = orderID * 15485863
	change(&cfg)
	e.core = replica.New(cfg)
	e.up()
}

// has puts generations on the disk of a node that is down.
func (e *end) has(u drbdmeta.UUIDs) {
	GinkgoHelper()
	layout, err := drbdmeta.Internal(sectors, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	super, err := drbdmeta.DecodeSuperblock(e.disk[layout.Superblock : layout.Superblock+4096])
	Expect(err).NotTo(HaveOccurred())
	super.UUIDs = u
	copy(e.disk[layout.Superblock:], super.Append(nil))
}

func (e *end) up() {
	GinkgoHelper()
	e.mustOrder(replica.OrderAttach, false)
	e.mustOrder(replica.OrderConnect, false)
}

// data is the part of the disk that is replicated.
func (e *end) data() []byte {
	return e.disk[:e.core.Status().Size*512]
}
