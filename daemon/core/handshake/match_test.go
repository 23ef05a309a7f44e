package handshake_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestMatchFeatures(t *testing.T) {
	type features = drbdwire.Features
	offer := func(lowest, flags, highest uint32) features {
		return features{Min: lowest, Flags: flags, Max: highest}
	}
	for name, tc := range map[string]struct {
		own, peer features
		version   int
		flags     uint32
		err       string
	}{
		"the kernel's offer": {own: offer(100, 0xd, 101), peer: offer(86, 0xf, 101), version: 101, flags: 0xd},
		"an older peer":      {own: offer(86, 0xf, 101), peer: offer(86, 0, 97), version: 97},
		"a newer peer":       {own: offer(100, 0xf, 101), peer: offer(86, 0xff, 121), version: 101, flags: 0xf},
		"no maximum is one version": {
			own: offer(86, 0, 101), peer: offer(100, 0, 0), version: 100,
		},
		"too old": {
			own: offer(100, 0xf, 101), peer: offer(86, 0xf, 97),
			err: "no common protocol version: this node speaks 100 to 101, the peer 86 to 97",
		},
		"too new": {
			own: offer(100, 0xf, 101), peer: offer(110, 0xf, 121),
			err: "no common protocol version: this node speaks 100 to 101, the peer 110 to 121",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			version, flags, err := handshake.MatchFeatures(tc.own, tc.peer)
			if tc.err != "" {
				g.Expect(err).To(MatchError(handshake.ErrVersions))
				g.Expect(err).To(MatchError(tc.err))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(version).To(Equal(tc.version))
			g.Expect(flags).To(Equal(tc.flags))
		})
	}
}

func TestMatchProtocol(t *testing.T) {
	base := drbdwire.Protocol{Wire: drbdwire.ProtocolC, IntegrityAlg: "sha1"}
	change := func(edit func(p *drbdwire.Protocol)) drbdwire.Protocol {
		p := base
		edit(&p)
		return p
	}
	local := change(func(p *drbdwire.Protocol) { p.AfterSB0 = drbdwire.AfterSBDiscardLocal })
	remote := change(func(p *drbdwire.Protocol) { p.AfterSB0 = drbdwire.AfterSBDiscardRemote })
	discard := change(func(p *drbdwire.Protocol) { p.Flags = drbdwire.DiscardMyData })
	for name, tc := range map[string]struct {
		own, peer drbdwire.Protocol
		err       string // after "settings do not go together: "
	}{
		"the same":                   {own: base, peer: base},
		"one gives its data up":      {own: discard, peer: base},
		"discard local meets remote": {own: local, peer: remote},
		"discard remote meets local": {own: remote, peer: local},
		"a dry run is the wish of one": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.Flags = drbdwire.DryRun }),
		},
		"discard local meets the same": {
			own: local, peer: local,
			err: "after-sb-0pri is discard-local here and discard-local at the peer, want discard-remote there",
		},
		"both give their data up": {
			own: discard, peer: discard,
			err: "discard-my-data was given on both nodes, want it on the one whose changes go",
		},
		"protocol": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.Wire = drbdwire.ProtocolA }),
			err: "protocol is C here and A at the peer, want the same",
		},
		"a policy that nobody knows": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.AfterSB0 = 99 }),
			err: "after-sb-0pri is disconnect here and after-sb(99) at the peer, want disconnect there",
		},
		"after-sb-1pri": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.AfterSB1 = drbdwire.AfterSBConsensus }),
			err: "after-sb-1pri is disconnect here and consensus at the peer, want disconnect there",
		},
		"after-sb-2pri": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.AfterSB2 = drbdwire.AfterSBViolently }),
			err: "after-sb-2pri is disconnect here and violently-as0p at the peer, want disconnect there",
		},
		"two primaries": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.TwoPrimaries = true }),
			err: "allow-two-primaries is no here and yes at the peer, want the same",
		},
		"integrity at one side only": {
			own: base, peer: change(func(p *drbdwire.Protocol) { p.IntegrityAlg = "" }),
			err: "data-integrity-alg is sha1 here and none at the peer, want the same",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := handshake.MatchProtocol(tc.own, tc.peer)
			if tc.err == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(handshake.ErrSettings))
			g.Expect(err).To(MatchError("settings do not go together: " + tc.err))
		})
	}
}

func TestMatchAlgorithms(t *testing.T) {
	g := NewWithT(t)
	own := drbdwire.SyncParam{Rate: 250, VerifyAlg: "sha1", CsumsAlg: "md5"}
	peer := own
	peer.Rate, peer.PlanAhead = 10240, 20
	g.Expect(handshake.MatchAlgorithms(own, peer)).To(Succeed())
	peer.VerifyAlg = "crc32c"
	err := handshake.MatchAlgorithms(own, peer)
	g.Expect(err).To(MatchError(ContainSubstring("verify-alg is sha1 here and crc32c at the peer")))
	peer = own
	peer.CsumsAlg = ""
	err = handshake.MatchAlgorithms(own, peer)
	g.Expect(err).To(MatchError(ContainSubstring("csums-alg is md5 here and none at the peer")))
}
