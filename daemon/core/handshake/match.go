package handshake

import (
	"errors"
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Why two nodes do not go together. Each is final: trying again changes
// nothing until somebody edits a configuration.
var (
	// ErrVersions: no protocol version that both speak.
	ErrVersions = errors.New("no common protocol version")
	// ErrSettings: an option of net or syncer that must be the same is not.
	ErrSettings = errors.New("settings do not go together")
)

// MatchFeatures gives the protocol version and the feature flags to use: the
// highest version and all the flags that both have.
//
// Source: DRBD 8.4 wire, section 3.
func MatchFeatures(own, peer drbdwire.Features) (version int, flags uint32, err error) {
	ownMax, peerMax := max(own.Max, own.Min), max(peer.Max, peer.Min)
	if ownMax < peer.Min || peerMax < own.Min {
		return 0, 0, fmt.Errorf("%w: this node speaks %d to %d, the peer %d to %d", ErrVersions,
			own.Min, ownMax, peer.Min, peerMax)
	}
	return int(min(ownMax, peerMax)), own.Flags & peer.Flags, nil
}

// MatchProtocol holds the peer's first P_PROTOCOL against what was sent to it.
// Discard-local on one side goes with discard-remote on the other.
//
// Source: DRBD 8.4 wire, section 5.1.
func MatchProtocol(own, peer drbdwire.Protocol) error {
	switch {
	case own.Wire != peer.Wire:
		return differ("protocol", own.Wire, peer.Wire)
	case own.AfterSB0 != mirror(peer.AfterSB0):
		return differAfterSB(0, own.AfterSB0, peer.AfterSB0)
	case own.AfterSB1 != mirror(peer.AfterSB1):
		return differAfterSB(1, own.AfterSB1, peer.AfterSB1)
	case own.AfterSB2 != mirror(peer.AfterSB2):
		return differAfterSB(2, own.AfterSB2, peer.AfterSB2)
	case own.Flags&peer.Flags&drbdwire.DiscardMyData != 0:
		return fmt.Errorf("%w: discard-my-data was given on both nodes, want it on the one whose changes go",
			ErrSettings)
	case own.TwoPrimaries != peer.TwoPrimaries:
		return differ("allow-two-primaries", yesNo(own.TwoPrimaries), yesNo(peer.TwoPrimaries))
	case own.IntegrityAlg != peer.IntegrityAlg:
		return differ("data-integrity-alg", named(own.IntegrityAlg), named(peer.IntegrityAlg))
	default:
		return nil
	}
}

// MatchAlgorithms holds the algorithms of the peer's P_SYNC_PARAM against the
// own ones. The numbers in it need not match: those of the peer are adopted.
//
// Source: DRBD 8.4 wire, section 5.2.
func MatchAlgorithms(own, peer drbdwire.SyncParam) error {
	switch {
	case own.VerifyAlg != peer.VerifyAlg:
		return differ("verify-alg", named(own.VerifyAlg), named(peer.VerifyAlg))
	case own.CsumsAlg != peer.CsumsAlg:
		return differ("csums-alg", named(own.CsumsAlg), named(peer.CsumsAlg))
	default:
		return nil
	}
}

func differ(option string, own, peer any) error {
	return fmt.Errorf("%w: %s is %v here and %v at the peer, want the same", ErrSettings, option, own, peer)
}

func differAfterSB(primaries int, own, peer drbdwire.AfterSB) error {
	return fmt.Errorf("%w: after-sb-%dpri is %v here and %v at the peer, want %v there", ErrSettings, primaries,
		own, peer, mirror(own))
}

// mirror is the policy that the other node has to have.
func mirror(policy drbdwire.AfterSB) drbdwire.AfterSB {
	switch policy {
	case drbdwire.AfterSBDiscardLocal:
		return drbdwire.AfterSBDiscardRemote
	case drbdwire.AfterSBDiscardRemote:
		return drbdwire.AfterSBDiscardLocal
	default:
		return policy
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func named(algorithm string) string {
	if algorithm == "" {
		return "none"
	}
	return algorithm
}
