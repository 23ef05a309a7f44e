package replica

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// What this end offers. Source: DRBD 8.4 wire, section 3.
const (
	minVersion   = 100
	maxVersion   = 101
	featureFlags = drbdwire.FeatureTrim | drbdwire.FeatureThinResync | drbdwire.FeatureWSame | drbdwire.FeatureWZeroes
	maxBio       = 1 << 20
)

// link is the connection to the peer: from the two sockets to the agreement,
// and whether it still lives.
type link struct {
	wanted  bool   // not StandAlone
	conn    uint32 // 0 is no link
	resolve bool
	phase   phase
	version int
	flags   uint32 // agreed features
	discard bool   // --discard-my-data, until connected

	challenge []byte

	owed bool // the answer to a ping that came before the features

	heard  time.Duration  // when anything came, on either socket
	pinged time.Duration  // when the unanswered ping left; Never is none
	pings  int            // that have left and are not answered: any sign of life ends pinged
	denied bool           // the peer has refused a write while its copy may have counted as whole
	since  time.Duration  // when it did
	limit  time.Duration  // the handshake must have got on by then; Never is none
	told   drbdwire.UUIDs // what the peer was told about the own generations
	role   drbdwire.Role  // and, in the handshake, about the own role
}

type phase uint8

const (
	phaseDown    phase = iota
	phaseParting       // given up; the peer is left time to see why by itself
	phaseFeatures
	phaseAuth
	phaseParams
	phaseUp
)

func (l *link) reset() {
	*l = link{wanted: l.wanted, discard: l.discard, pinged: Never, limit: Never}
}

// peer is what the peer said in the handshake.
type peer struct {
	protocol bool // P_PROTOCOL came
	served   bool // it is Primary, and had no disk in the handshake
	unsure   bool // and it has not said yet that this copy is what its users have seen
	// integrity is the algorithm of the digest in its data packets.
	integrity string
	sizes     drbdwire.Sizes
	uuids     drbdwire.UUIDs
	hasUUIDs  bool
	began     bool           // the start of a resync was sent to it since: it has that generation
	lost      drbdwire.UUIDs // what the disk that this Primary has lost may have
}

// dialAgain looks for the peer, unless nobody wants it or the own disk is
// about to change what there is to say. A node that was the target of a resync
// says only what it would still say after a crash: the source's history has
// room for two starts, so one that the target forgets must be the last.
func (r *Resource) dialAgain() {
	if !r.link.wanted || r.link.conn != 0 || r.state.Disk == drbdwire.Attaching || r.order.kind == OrderAttach {
		return
	}
	if r.state.Conn == drbdwire.WFConnection {
		return
	}
	next := r.state
	if !r.generationDurable() && !planted.On(planted.TellUndurable) {
		next.Conn = drbdwire.Unconnected
		r.set(next, "what the peer will be told is being written down")
		return
	}
	if r.now < r.failures.before {
		next.Conn = drbdwire.Unconnected
		r.set(next, "connections have failed again and again: waiting before the next")
		return
	}
	next.Conn = drbdwire.WFConnection
	r.set(next, "looking for the peer")
	r.emit(Effect{Kind: Dial})
}

func (r *Resource) linkUp(conn uint32, resolve bool) {
	if r.state.Conn != drbdwire.WFConnection {
		r.emit(Effect{Kind: Hangup, Conn: conn})
		return
	}
	r.link.reset()
	r.peer = peer{}
	r.link.conn, r.link.resolve, r.link.phase = conn, resolve, phaseFeatures
	r.link.heard = r.now
	r.progress()
	f := r.features()
	r.sendAs(drbdwire.H80, DataSocket, drbdwire.CmdFeatures, f.Append(nil))
}

// features is what this end offers. A kernel looks for a digest in a P_ZEROES,
// which has none, so there is none of those where digests are configured.
// Source: DRBD 8.4 wire, section 8.2.
func (r *Resource) features() drbdwire.Features {
	f := drbdwire.Features{Min: minVersion, Max: maxVersion, Flags: featureFlags}
	if r.cfg.IntegrityAlg != "" {
		f.Flags &^= drbdwire.FeatureWZeroes
	}
	return f
}

// progress gives the handshake time for its next packet.
func (r *Resource) progress() { r.link.limit = r.now + 4*r.cfg.PingTimeout }

// featuresArrived agrees on a version and goes on with the authentication, or
// the parameters where none is configured.
func (r *Resource) featuresArrived(data []byte) {
	theirs, err := drbdwire.DecodeFeatures(data)
	if err != nil {
		r.giveUp(err.Error())
		return
	}
	r.link.version, r.link.flags, err = handshake.MatchFeatures(r.features(), theirs)
	if err != nil {
		r.giveUp(err.Error())
		return
	}
	r.progress()
	if r.link.owed {
		r.link.owed = false
		r.send(MetaSocket, drbdwire.CmdPingAck, nil)
	}
	if r.cfg.CramAlg == "" {
		r.sendParameters()
		return
	}
	r.link.phase = phaseAuth
	for len(r.link.challenge) < 64 {
		v := r.rng.next()
		for shift := 0; shift < 64; shift += 8 {
			r.link.challenge = append(r.link.challenge, byte(v>>shift))
		}
	}
	r.send(DataSocket, drbdwire.CmdAuthChallenge, r.link.challenge)
}

func (r *Resource) authArrived(cmd drbdwire.Command, data []byte) {
	switch cmd {
	case drbdwire.CmdAuthChallenge:
		if len(data) < 64 || bytes.Equal(data[:64], r.link.challenge) {
			r.giveUp("the peer's challenge is no challenge or a copy of the own one")
			return
		}
		answer, err := drbdwire.Respond(r.cfg.CramAlg, r.cfg.SharedSecret, data)
		if err != nil {
			r.giveUp(err.Error())
			return
		}
		r.send(DataSocket, drbdwire.CmdAuthResponse, answer)
	case drbdwire.CmdAuthResponse:
		want, err := drbdwire.Respond(r.cfg.CramAlg, r.cfg.SharedSecret, r.link.challenge)
		if err != nil || !hmac.Equal(want, data) {
			r.giveUp("authentication of the peer failed: it has another shared-secret or cram-hmac-alg")
			return
		}
		r.sendParameters()
	default:
		r.giveUp(fmt.Sprintf("%s came where the peer's authentication was expected: it has no cram-hmac-alg", cmd))
	}
	r.progress()
}

// sendParameters tells the peer everything it needs to decide who has what.
func (r *Resource) sendParameters() {
	r.link.phase = phaseParams
	r.send(DataSocket, drbdwire.CmdProtocol, r.protocol().Append(nil))
	r.send(DataSocket, drbdwire.CmdSyncParam89, r.syncParam().Append(nil))
	r.sendSizes()
	r.sendUUIDs()
	next := r.state
	next.Conn = drbdwire.WFReportParams
	first := r.state
	r.set(next, "talking to the peer")
	// The first state is the one before the handshake.
	first.Conn = drbdwire.WFConnection
	r.link.role = first.Role
	r.send(DataSocket, drbdwire.CmdState, drbdwire.AppendState(nil, first))
}

func (r *Resource) protocol() drbdwire.Protocol {
	p := drbdwire.Protocol{
		Wire: r.cfg.Protocol, AfterSB0: r.cfg.AfterSB0, AfterSB1: r.cfg.AfterSB1, AfterSB2: r.cfg.AfterSB2,
		IntegrityAlg: r.cfg.IntegrityAlg,
	}
	if r.link.discard {
		p.Flags = drbdwire.DiscardMyData
	}
	return p
}

func (r *Resource) syncParam() drbdwire.SyncParam {
	p := r.cfg.Resync
	return drbdwire.SyncParam{
		CsumsAlg: r.algs.csums, VerifyAlg: r.algs.verify,
		Rate: p.Rate, PlanAhead: p.PlanAhead, DelayTarget: p.DelayTarget,
		FillTarget: p.FillTarget, MaxRate: p.MaxRate,
	}
}

// Losing and refusing the peer.

// dropLink closes the sockets; what was under way is given up at once, since
// nothing that still comes from this link counts.
func (r *Resource) dropLink(why drbdwire.ConnState, text string) {
	if r.link.conn == 0 {
		return
	}
	if why == drbdwire.ProtocolError {
		r.note = text // it may happen again and again, and somebody must see why
		r.decided(aboutLink, "dropped", text, "")
	}
	r.emit(Effect{Kind: Hangup, Conn: r.link.conn})
	r.lose(why, text)
}

// giveUp goes StandAlone: trying again would not help. In a handshake the peer
// comes to the same result, but only if it still reads what was sent to it: a
// link that just breaks makes it try again for ever, and nobody is told there
// of a split brain. So the sockets stay open until the peer closes them, or
// has had the time for it.
func (r *Resource) giveUp(text string) {
	r.link.wanted = false
	r.note = text
	r.decided(aboutLink, "given up", text, r.standing())
	if r.link.conn != 0 && r.state.Conn < drbdwire.Connected {
		r.link.phase = phaseParting
		r.progress()
		next := r.state
		next.Conn = drbdwire.Disconnecting
		r.set(next, text)
		return
	}
	if r.link.conn != 0 {
		r.dropLink(drbdwire.Disconnecting, text)
		return
	}
	if r.state.Conn == drbdwire.WFConnection {
		r.emit(Effect{Kind: Hangup})
	}
	next := r.state
	next.Conn = drbdwire.StandAlone
	r.set(next, text)
}

func (r *Resource) linkDown(conn uint32, text string) {
	if conn != 0 && conn == r.link.conn {
		r.lose(drbdwire.BrokenPipe, text)
	}
}

// lose is the end of a link, in the order that keeps the copies explainable:
// what may differ is marked, the state says so, the new generation is on its
// way to the superblock; only then do waiting writes go on without the peer.
func (r *Resource) lose(why drbdwire.ConnState, text string) {
	whole, unheard := r.mayBeWhole(), r.sync.unheard
	r.link.reset()
	r.sync.stop()
	r.mirror.lose(r)
	old, next := r.state, r.state
	if !r.link.wanted {
		why = drbdwire.StandAlone
	}
	next.Conn = why
	if whole {
		r.endGeneration()
	}
	if whole || unheard {
		next.PeerDisk = drbdwire.DUnknown
	}
	r.loseResize()
	r.linkFailed(old.Conn, why)
	r.order.given = false
	// In a handshake the peer may have met this node, and count for more again than it has said.
	met := old.Conn == drbdwire.WFReportParams || old.Conn == drbdwire.Disconnecting
	ask := old.Conn >= drbdwire.Connected || met && (r.fence.call != 0 || r.fence.missed)
	if met && next.PeerDisk == drbdwire.Outdated && r.uuids.Bitmap == 0 {
		ask, next.PeerDisk = true, drbdwire.DUnknown // no generation tells it that it is old
	}
	if r.order.peerOutdated {
		r.order.peerOutdated = false
		next.PeerDisk = drbdwire.Outdated
	}
	if r.order.peerLeft || r.leaves() && mayGoOn(old) {
		// The peer told that it goes on by itself, or was told so. With half a copy it can't.
		r.order.peerLeft = false
		if next.Role == drbdwire.Secondary && next.Disk > drbdwire.Outdated && next.PeerDisk != drbdwire.Inconsistent {
			next.Disk = drbdwire.Outdated
			r.decided(aboutData, "counts as Outdated", "the nodes parted in order, and the peer stayed Primary", r.standing())
		}
	}
	r.epochs.lose(r, suspended(r.implied(old, next)))
	r.set(next, text)
	if r.bits != nil && r.meta.open {
		r.meta.allPages = true
		r.meta.dirty()
	}
	if met || old.Conn >= drbdwire.Connected {
		r.fence.call, r.fence.missed = 0, false
	}
	r.fenceLost(ask)
	r.leaveJoin()
	r.orderLostPeer()
	r.dialAgain()
}

// Pings and time limits.

// pingArrived answers, in the handshake too: the peer pings when it has all that
// it wants of it, and the sockets are read each for itself, so what it sent
// before on the other may not have been read yet. Before the features the
// format of the answer is not known.
func (r *Resource) pingArrived() {
	if r.link.phase == phaseFeatures {
		r.link.owed = true
		return
	}
	if isSource(r.state.Conn) && (r.bits.Count() == 0 || r.sync.uneven) {
		r.sync.asked = true // what is marked may be what the own disk has failed: the target does not lack that
	}
	r.send(MetaSocket, drbdwire.CmdPingAck, nil)
}

func (r *Resource) linkDeadline() time.Duration {
	l := &r.link
	if l.conn == 0 {
		return Never
	}
	next := l.limit
	if l.phase >= phaseParams {
		if l.pinged != Never {
			next = min(next, r.silentSince()+r.cfg.PingTimeout)
		} else {
			next = min(next, l.heard+r.cfg.PingInt)
		}
	}
	return min(next, r.knockedOut())
}

// knockedOut is when the peer has owed an answer to a request, or the end of an
// epoch, for ko-count times timeout. In protocol B a write has its answer before that.
// What a verify asks for counts as well, users' writes to it wait; and the word that the
// peer's disk has failed, after a write that it has refused.
func (r *Resource) knockedOut() time.Duration {
	oldest, found := r.requests.oldestSent()
	if epochs := r.epochs.unacked.all(); len(epochs) > 0 && (!found || epochs[0].sent < oldest) {
		oldest, found = epochs[0].sent, true
	}
	if r.peerFails() && (!found || r.link.since < oldest) {
		oldest, found = r.link.since, true
	}
	if r.verifyOwed() && (!found || r.verify.moved < oldest) {
		oldest, found = r.verify.moved, true
	}
	if !found || r.cfg.KoCount == 0 {
		return Never
	}
	return oldest + r.koTime()
}

// koTime is for how long the peer may owe an answer before it counts as gone; 0 is for ever.
func (r *Resource) koTime() time.Duration { return r.cfg.Timeout * time.Duration(r.cfg.KoCount) }

func (r *Resource) linkTick() {
	l := &r.link
	if l.conn == 0 {
		return
	}
	if r.now >= l.limit {
		text := "the peer did not go on with the handshake"
		if l.phase == phaseParting {
			text = r.note
		}
		r.dropLink(drbdwire.NetworkFailure, text)
		return
	}
	if r.now >= r.knockedOut() {
		r.dropLink(drbdwire.Timeout, "the peer did not answer within ko-count times timeout")
		return
	}
	if l.phase < phaseParams {
		return
	}
	switch {
	case l.pinged != Never && r.now >= r.silentSince()+r.cfg.PingTimeout:
		r.dropLink(drbdwire.NetworkFailure, "the peer did not answer a ping within ping-timeout")
	case planted.On(planted.NoPing):
	case l.pinged == Never && r.now >= l.heard+r.cfg.PingInt:
		r.ping()
	}
}

// silentSince is since when the peer has owed the answer to a ping, and sent nothing
// else. What comes on the data socket is a sign of life, too: on a slow link the
// answer may wait behind it. Source: DRBD 8.4 wire, section 1.3.
func (r *Resource) silentSince() time.Duration { return max(r.link.pinged, r.link.heard) }

// ping asks for a sign of life, once at a time.
func (r *Resource) ping() {
	if r.link.pinged == Never {
		r.link.pinged = r.now
		r.link.pings++
		r.send(MetaSocket, drbdwire.CmdPing, nil)
	}
}
