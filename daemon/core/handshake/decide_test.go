package handshake_test

import (
	"math/rand"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// meeting is two UpToDate Secondaries with the same data, changed by edits.
func meeting(edits ...func(in *handshake.Input)) handshake.Input {
	side := handshake.Side{
		UUIDs: uuids(genA, 0, 0, 0), Role: drbdwire.Secondary, Disk: drbdwire.UpToDate, Features: wsame,
	}
	in := handshake.Input{Own: side, Peer: side}
	in.Peer.Resolve = true
	for _, edit := range edits {
		edit(&in)
	}
	return in
}

func ownUUIDs(u drbdmeta.UUIDs) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Own.UUIDs = u }
}

func peerUUIDs(u drbdmeta.UUIDs) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Peer.UUIDs = u }
}

func disks(own, peer drbdwire.DiskState) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Own.Disk, in.Peer.Disk = own, peer }
}

func roles(own, peer drbdwire.Role) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Own.Role, in.Peer.Role = own, peer }
}

func found(own, peer drbdwire.DiskState) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Own.Found, in.Peer.Found = own, peer }
}

func dirty(own, peer uint64) func(*handshake.Input) {
	return func(in *handshake.Input) { in.Own.Dirty, in.Peer.Dirty = own, peer }
}

func afterSB(zero, one, two drbdwire.AfterSB) func(*handshake.Input) {
	return func(in *handshake.Input) { in.AfterSB0, in.AfterSB1, in.AfterSB2 = zero, one, two }
}

func resolveHere(in *handshake.Input) { in.Own.Resolve, in.Peer.Resolve = true, false }
func discardOwn(in *handshake.Input)  { in.Own.DiscardMyData = true }
func discardPeer(in *handshake.Input) { in.Peer.DiscardMyData = true }
func asbp(in *handshake.Input)        { in.AlwaysASBP = true }
func inUse(in *handshake.Input)       { in.InUse = true }
func dryRun(in *handshake.Input)      { in.DryRun = true }
func rr(choice handshake.RRConflict) func(*handshake.Input) {
	return func(in *handshake.Input) { in.RRConflict = choice }
}

var (
	behind    = []func(*handshake.Input){peerUUIDs(uuids(genB, genA, 0, 0))}
	ahead     = []func(*handshake.Input){ownUUIDs(uuids(genB, genA, 0, 0))}
	split     = []func(*handshake.Input){ownUUIDs(uuids(genB, genA, 0, 0)), peerUUIDs(uuids(genC, genA, 0, 0))}
	splitLong = []func(*handshake.Input){ownUUIDs(uuids(genB, genA, genD, 0)), peerUUIDs(uuids(genC, genE, genD, 0))}
)

func with(base []func(*handshake.Input), more ...func(*handshake.Input)) handshake.Input {
	return meeting(slices.Concat(base, more)...)
}

func TestDecide(t *testing.T) {
	const (
		source, target   = drbdwire.WFBitMapS, drbdwire.WFBitMapT
		pri, sec         = drbdwire.Primary, drbdwire.Secondary
		incon, upToDate  = drbdwire.Inconsistent, drbdwire.UpToDate
		negotiating      = drbdwire.Negotiating
		initial, broken  = handshake.HandlerInitialSplitBrain, handshake.HandlerSplitBrain
		local, callPri   = drbdwire.AfterSBDiscardLocal, drbdwire.AfterSBCallPriLost
		priLost, lostASB = handshake.HandlerPriLost, handshake.HandlerPriLostAfterSB
	)
	for name, tc := range map[string]struct {
		in                       handshake.Input
		conn                     drbdwire.ConnState
		giveUp, full, sb, demote bool
		handlers                 []string
		text                     string
	}{
		"equal is Connected": {in: meeting(), conn: drbdwire.Connected, text: "both have the same data"},
		"ahead is source":    {in: with(ahead), conn: source, text: "this node has changes"},
		"behind is target":   {in: with(behind), conn: target, text: "the peer has changes"},
		"far behind is target of a full sync": {
			in: meeting(peerUUIDs(uuids(genB, genC, genA, 0))), conn: target, full: true,
		},
		"without an own disk there is nothing to compare": {
			in:   with(split, disks(drbdwire.Diskless, upToDate)),
			conn: drbdwire.Connected, text: "the own disk is Diskless",
		},
		"nor without the peer's": {in: with(split, disks(upToDate, drbdwire.Failed)), conn: drbdwire.Connected},

		"unrelated data part": {
			in:     meeting(ownUUIDs(uuids(genA, 0, genB, genC)), peerUUIDs(uuids(genD, 0, genE, genE+2))),
			giveUp: true, text: "no common past",
		},
		"unless one is given up by order": {
			in:   meeting(ownUUIDs(uuids(genA, 0, genB, genC)), peerUUIDs(uuids(genD, 0, genE, genE+2)), discardOwn),
			conn: target, full: true,
		},
		"or the other": {
			in:   meeting(ownUUIDs(uuids(genA, 0, genB, genC)), peerUUIDs(uuids(genD, 0, genE, genE+2)), discardPeer),
			conn: source, full: true,
		},
		"but not both": {
			in: meeting(ownUUIDs(uuids(genA, 0, genB, genC)), peerUUIDs(uuids(genD, 0, genE, genE+2)), discardOwn,
				discardPeer),
			giveUp: true, text: "no common past",
		},
		"a missing feature parts": {
			in: meeting(roles(pri, sec), func(in *handshake.Input) {
				in.Own.Features, in.Peer.Features, in.Peer.CrashedPrimary = 0, 0, true
			}),
			giveUp: true, text: "WSAME",
		},

		"an Inconsistent disk loses against the rules": {
			in:   with(ahead, disks(incon, upToDate)),
			conn: target, text: "this disk is Inconsistent and the peer's is not",
		},
		"and the better one wins":       {in: with(behind, disks(drbdwire.Outdated, incon)), conn: source},
		"also when the UUIDs are equal": {in: meeting(disks(upToDate, incon)), conn: source},
		"a full sync stays full": {
			in: meeting(peerUUIDs(uuids(genB, genC, genA, 0)), disks(upToDate, incon)), conn: source, full: true,
		},
		"a split brain with an Inconsistent disk is none": {in: with(split, disks(incon, upToDate)), conn: target},
		"but a full sync when the bitmaps are from different times": {
			in: with(splitLong, disks(incon, upToDate)), conn: target, full: true,
		},
		"two Inconsistent disks follow the rules, so the source gives up": {
			in: with(ahead, disks(incon, incon)), giveUp: true, text: "its disk is Inconsistent",
		},
		"and the target waits": {in: with(behind, disks(incon, incon)), conn: target},
		"two fresh disks are just Connected": {
			in:   meeting(ownUUIDs(uuids(fresh, 0, 0, 0)), peerUUIDs(uuids(fresh, 0, 0, 0)), disks(incon, incon)),
			conn: drbdwire.Connected,
		},

		"a disk being attached counts as found": {
			in: meeting(disks(negotiating, upToDate), found(incon, incon)), conn: target,
		},
		"also the peer's": {
			in: meeting(disks(upToDate, negotiating), found(incon, incon)), conn: source,
		},
		"a Primary that attaches an old disk is target": {
			in: with(behind, roles(pri, sec), disks(negotiating, upToDate), found(upToDate, upToDate)), conn: target,
		},

		"a Primary does not become target": {
			in: with(behind, roles(pri, sec)), giveUp: true, text: "should become sync target, but it is Primary",
		},
		"call-pri-lost calls for help first": {
			in: with(behind, roles(pri, sec), rr(handshake.RRCallPriLost)), giveUp: true, handlers: []string{priLost},
		},
		"violently overwrites": {
			in: with(behind, roles(pri, sec), rr(handshake.RRViolently)), conn: target,
		},
		"a Primary without good data may": {
			in: with(behind, roles(pri, sec), disks(incon, upToDate)), conn: target,
		},
		"the peer of that Primary goes on": {in: with(ahead, roles(sec, pri)), conn: source},
		"a dry run tells and parts": {
			in: with(behind, dryRun), giveUp: true, text: "dry run, would become WFBitMapT",
		},
		"a dry run tells of a full sync": {
			in: meeting(peerUUIDs(uuids(genB, genC, genA, 0)), dryRun), giveUp: true, text: "full sync",
		},
		"a dry run that would be refused says": {
			in: with(behind, roles(pri, sec), dryRun), giveUp: true, text: "it is Primary",
		},

		"a split brain parts": {
			in: with(split), giveUp: true, sb: true, handlers: []string{initial, broken},
			text: "split brain detected but unresolved",
		},
		"own data are given up": {
			in: with(split, discardOwn), conn: target, sb: true, handlers: []string{initial}, text: "given up by order",
		},
		"the peer's data are given up": {
			in: with(split, discardPeer), conn: source, sb: true, handlers: []string{initial},
		},
		"both given up are none": {
			in: with(split, discardOwn, discardPeer), giveUp: true, sb: true, handlers: []string{initial, broken},
		},
		"given up by a Primary is refused": {
			in: with(split, discardOwn, roles(pri, sec)), giveUp: true, sb: true, handlers: []string{initial},
		},
		"bitmaps from different times make a full sync": {
			in: with(splitLong, discardOwn), conn: target, full: true, sb: true, handlers: []string{initial},
		},
		"and no policy is asked": {
			in:     with(splitLong, afterSB(drbdwire.AfterSBDiscardRemote, 0, 0)),
			giveUp: true, sb: true, handlers: []string{initial, broken},
		},
		"unless always-asbp": {
			in:   with(splitLong, afterSB(drbdwire.AfterSBDiscardRemote, 0, 0), asbp),
			conn: source, full: true, sb: true, handlers: []string{initial},
			text: "after-sb-0pri is discard-remote and keeps",
		},
		"an order is for what the policy leaves open": {
			in:   with(split, discardOwn, afterSB(drbdwire.AfterSBDiscardRemote, 0, 0)),
			conn: source, sb: true, handlers: []string{initial},
		},
		"a Primary that lost and can step down does": {
			in:   with(split, roles(pri, sec), afterSB(local, callPri, 0)),
			conn: target, sb: true, demote: true, handlers: []string{initial},
		},
		"one that can't calls for help": {
			in:     with(split, roles(pri, sec), inUse, afterSB(local, callPri, 0)),
			giveUp: true, sb: true, handlers: []string{initial, lostASB, broken},
		},
		"a dry run demotes nobody": {
			in:     with(split, roles(pri, sec), dryRun, afterSB(local, callPri, 0)),
			giveUp: true, sb: true, handlers: []string{initial},
		},
		"violently-as0p leaves a Primary victim to rr-conflict": {
			in:     with(split, roles(pri, sec), afterSB(drbdwire.AfterSBDiscardLocal, drbdwire.AfterSBViolently, 0)),
			giveUp: true, sb: true, handlers: []string{initial},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := handshake.Decide(tc.in)
			g.Expect(d.GiveUp).To(Equal(tc.giveUp), d.Text)
			if !tc.giveUp {
				g.Expect(d.Conn).To(Equal(tc.conn), d.Text)
			}
			g.Expect(d.FullSync).To(Equal(tc.full), d.Text)
			g.Expect(d.SplitBrain).To(Equal(tc.sb), d.Text)
			g.Expect(d.Demote).To(Equal(tc.demote), d.Text)
			g.Expect(d.Handlers).To(Equal(tc.handlers), d.Text)
			g.Expect(d.Text).To(ContainSubstring(tc.text))
		})
	}
}

func TestDecideCorrects(t *testing.T) {
	g := NewWithT(t)
	d := handshake.Decide(meeting(ownUUIDs(uuids(genA, genB, genC, genD)), peerUUIDs(uuids(genA, 0, genB, genC))))
	g.Expect(d.Own).To(Equal(uuids(genA, 0, genB, genC)))
	g.Expect(d.Peer).To(Equal(uuids(genA, 0, genB, genC)))
	g.Expect(d.Conn).To(Equal(drbdwire.WFBitMapS))
	g.Expect(d.Rule).To(Equal(34))
	g.Expect(d.Result).To(Equal(handshake.BitmapSync))
}

// TestPolicies goes through section 6: what each after-sb policy makes of a
// split brain. Want is who wins, +1 here, -1 there, 0 nobody.
func TestPolicies(t *testing.T) {
	const (
		pri, sec = drbdwire.Primary, drbdwire.Secondary
		younger  = drbdwire.AfterSBDiscardYoungerPrimary
		older    = drbdwire.AfterSBDiscardOlderPrimary
		zero     = drbdwire.AfterSBDiscardZeroChanges
		least    = drbdwire.AfterSBDiscardLeastChanges
		local    = drbdwire.AfterSBDiscardLocal
		remote   = drbdwire.AfterSBDiscardRemote
		none     = drbdwire.AfterSBDisconnect
		cons     = drbdwire.AfterSBConsensus
		discSec  = drbdwire.AfterSBDiscardSecondary
		callPri  = drbdwire.AfterSBCallPriLost
		violent  = drbdwire.AfterSBViolently
	)
	bits := func(own, peer uint64) func(*handshake.Input) {
		return func(in *handshake.Input) { in.Own.UUIDs.Bitmap |= own; in.Peer.UUIDs.Bitmap |= peer }
	}
	edits := func(list ...func(*handshake.Input)) []func(*handshake.Input) { return list }
	for name, tc := range map[string]struct {
		edits []func(*handshake.Input)
		want  int
	}{
		"0pri disconnect":                         {edits(afterSB(none, 0, 0)), 0},
		"0pri younger, the peer was Primary":      {edits(afterSB(younger, 0, 0), bits(0, 1)), -1},
		"0pri younger, this was Primary":          {edits(afterSB(younger, 0, 0), bits(1, 0)), 1},
		"0pri younger, both were, no changes":     {edits(afterSB(younger, 0, 0), bits(1, 1), dirty(0, 4)), -1},
		"0pri younger, none was, fewer changes":   {edits(afterSB(younger, 0, 0), dirty(5, 4)), 1},
		"0pri older, the peer was Primary":        {edits(afterSB(older, 0, 0), bits(0, 1)), 1},
		"0pri older, this was Primary":            {edits(afterSB(older, 0, 0), bits(1, 0)), -1},
		"0pri older, none was, equal changes":     {edits(afterSB(older, 0, 0), dirty(4, 4)), 1},
		"0pri older, but the peer is Outdated":    {edits(afterSB(older, 0, 0), bits(1, 0), disks(drbdwire.UpToDate, drbdwire.Outdated)), 0},
		"0pri older, but this is Outdated":        {edits(afterSB(older, 0, 0), bits(0, 1), disks(drbdwire.Outdated, drbdwire.UpToDate)), 0},
		"0pri older, and the loser is Outdated":   {edits(afterSB(older, 0, 0), bits(0, 1), disks(drbdwire.UpToDate, drbdwire.Outdated)), 1},
		"0pri zero changes, both":                 {edits(afterSB(zero, 0, 0)), 1},
		"0pri zero changes, both, resolved here":  {edits(afterSB(zero, 0, 0), resolveHere), -1},
		"0pri zero changes at the peer":           {edits(afterSB(zero, 0, 0), dirty(3, 0)), 1},
		"0pri zero changes here":                  {edits(afterSB(zero, 0, 0), dirty(0, 3)), -1},
		"0pri zero changes, none":                 {edits(afterSB(zero, 0, 0), dirty(2, 3)), 0},
		"0pri least changes, fewer here":          {edits(afterSB(least, 0, 0), dirty(2, 3)), -1},
		"0pri least changes, fewer there":         {edits(afterSB(least, 0, 0), dirty(3, 2)), 1},
		"0pri least changes, equal":               {edits(afterSB(least, 0, 0), dirty(3, 3)), 1},
		"0pri least changes, equal, resolve here": {edits(afterSB(least, 0, 0), dirty(3, 3), resolveHere), -1},
		"0pri local":                  {edits(afterSB(local, 0, 0)), -1},
		"0pri remote":                 {edits(afterSB(remote, 0, 0)), 1},
		"0pri with a policy for 1pri": {edits(afterSB(discSec, 0, 0)), 0},

		"1pri disconnect":                         {edits(roles(pri, sec), afterSB(remote, none, 0)), 0},
		"1pri consensus, Secondary loses":         {edits(roles(pri, sec), afterSB(remote, cons, 0)), 1},
		"1pri consensus, Primary would lose":      {edits(roles(pri, sec), afterSB(local, cons, 0)), 0},
		"1pri consensus, seen from the Secondary": {edits(roles(sec, pri), afterSB(local, cons, 0)), -1},
		"1pri consensus, Secondary would win":     {edits(roles(sec, pri), afterSB(remote, cons, 0)), 0},
		"1pri violently":                          {edits(roles(pri, sec), afterSB(remote, violent, 0)), 1},
		"1pri discard-secondary on the Primary":   {edits(roles(pri, sec), afterSB(local, discSec, 0)), 1},
		"1pri discard-secondary on the Secondary": {edits(roles(sec, pri), afterSB(remote, discSec, 0)), -1},
		"1pri call-pri-lost, Secondary loses":     {edits(roles(sec, pri), afterSB(local, callPri, 0)), -1},
		"1pri call-pri-lost, the peer has to go":  {edits(roles(sec, pri), afterSB(remote, callPri, 0)), 1},
		"1pri call-pri-lost, Primary steps down":  {edits(roles(pri, sec), afterSB(local, callPri, 0)), -1},
		"1pri call-pri-lost, Primary in use":      {edits(roles(pri, sec), inUse, afterSB(local, callPri, 0)), 0},
		"1pri with a policy for 0pri":             {edits(roles(pri, sec), afterSB(remote, least, 0)), 0},
		"2pri disconnect":                         {edits(roles(pri, pri), afterSB(remote, violent, none)), 0},
		"2pri violently":                          {edits(roles(pri, pri), afterSB(remote, none, violent)), 1},
		"2pri call-pri-lost, this one steps down": {edits(roles(pri, pri), afterSB(local, none, callPri)), -1},
		"2pri call-pri-lost, this one is in use":  {edits(roles(pri, pri), inUse, afterSB(local, none, callPri)), 0},
		"2pri call-pri-lost, the peer steps down": {edits(roles(pri, pri), inUse, afterSB(remote, none, callPri)), 1},
		"2pri with a policy for one":              {edits(roles(pri, pri), afterSB(remote, 0, discSec)), 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := handshake.Decide(with(split, tc.edits...))
			switch tc.want {
			case 0:
				g.Expect(d.Result).To(Equal(-handshake.SplitBrain), d.Text)
				g.Expect(d.GiveUp).To(BeTrue())
			default:
				g.Expect(d.Result).To(Equal(tc.want), d.Text)
				g.Expect(d.GiveUp).To(BeFalse())
			}
		})
	}
}

// TestDecideMirrors lets two nodes decide about the same meeting: they must
// not enter states that do not fit.
func TestDecideMirrors(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	pick := func(list ...uint64) uint64 { return list[random.Intn(len(list))] }
	anyUUIDs := func() drbdmeta.UUIDs {
		return uuids(pick(fresh, genA, genB)|pick(0, 1), pick(0, fresh, genA, genB+step, genC)|pick(0, 1),
			pick(0, genA, genB, genC), pick(0, genA, genD))
	}
	anySide := func() handshake.Side {
		return handshake.Side{
			UUIDs: anyUUIDs(), Role: drbdwire.Role(1 + random.Intn(2)), Dirty: uint64(random.Intn(3)), Features: wsame,
			Disk:           drbdwire.DiskState(pick(4, 4, 5, 7, 8, 8, 8)),
			CrashedPrimary: random.Intn(4) == 0, DiscardMyData: random.Intn(4) == 0,
		}
	}
	swapped := map[drbdwire.ConnState]drbdwire.ConnState{
		drbdwire.WFBitMapS: drbdwire.WFBitMapT, drbdwire.WFBitMapT: drbdwire.WFBitMapS,
		drbdwire.Connected: drbdwire.Connected,
	}
	other := map[drbdwire.AfterSB]drbdwire.AfterSB{
		drbdwire.AfterSBDiscardLocal:  drbdwire.AfterSBDiscardRemote,
		drbdwire.AfterSBDiscardRemote: drbdwire.AfterSBDiscardLocal,
	}
	agreed := 0
	for range 200000 {
		here := handshake.Input{
			Own: anySide(), Peer: anySide(), AfterSB0: drbdwire.AfterSB(random.Intn(7)),
			AfterSB1: drbdwire.AfterSB(pick(0, 7, 8, 9, 10)), AfterSB2: drbdwire.AfterSB(pick(0, 9, 10)),
			AlwaysASBP: random.Intn(2) == 0, RRConflict: handshake.RRConflict(random.Intn(3)),
		}
		own, peer := unmarked(here.Own.UUIDs), unmarked(here.Peer.UUIDs)
		if inPast(own.Current, peer) && inPast(peer.Current, own) {
			continue // contradictory, see TestCompareMirrors
		}
		here.Own.Resolve = random.Intn(2) == 0
		here.Peer.Resolve = !here.Own.Resolve
		there := here
		there.Own, there.Peer = here.Peer, here.Own
		if mirror, ok := other[here.AfterSB0]; ok {
			there.AfterSB0 = mirror
		}
		a, b := handshake.Decide(here), handshake.Decide(there)
		if a.GiveUp || b.GiveUp {
			continue // the other sees the connection go
		}
		agreed++
		if b.Conn != swapped[a.Conn] || a.FullSync != b.FullSync || a.Own != b.Peer || a.Peer != b.Own {
			t.Fatalf("%+v\nhere  %+v\nthere %+v", here, a, b)
		}
	}
	NewWithT(t).Expect(agreed).To(BeNumerically(">", 10000))
}

func unmarked(u drbdmeta.UUIDs) drbdmeta.UUIDs {
	return uuids(u.Current&^1, u.Bitmap&^1, u.History0&^1, u.History1&^1)
}
