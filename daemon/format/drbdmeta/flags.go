package drbdmeta

import (
	"fmt"
	"strings"
)

// Flags say what the data were worth when the superblock was written.
type Flags uint32

// The flags. Source: DRBD meta-data, section 3.2.
const (
	// MDConsistent: the data are better than Inconsistent.
	MDConsistent Flags = 1
	// MDPrimaryInd: the node was Primary, so the activity log counts after a
	// crash.
	MDPrimaryInd Flags = 2
	// MDConnectedInd: the peer was connected.
	MDConnectedInd Flags = 4
	// MDFullSync: all bits count as set, whatever the bitmap says.
	MDFullSync Flags = 8
	// MDWasUpToDate: the data were better than Outdated.
	MDWasUpToDate Flags = 16
	// MDPeerOutdated: the peer's data were known to be Outdated or worse.
	MDPeerOutdated Flags = 32
	// MDCrashedPrimary: crashed as Primary and not in sync with the peer since.
	MDCrashedPrimary Flags = 64
	// MDALClean: the activity log holds nothing to apply.
	MDALClean Flags = 128
	// MDALDisabled: no activity log was kept, so a crash as Primary means a
	// full sync.
	MDALDisabled Flags = 256
)

// flagNames are in the order of the bits.
var flagNames = [...]string{
	"Consistent", "PrimaryInd", "ConnectedInd", "FullSync", "WasUpToDate", "PeerOutdated", "CrashedPrimary", "ALClean",
	"ALDisabled",
}

// String lists the names of the flags that are set, "none" without any.
func (f Flags) String() string {
	if f == 0 {
		return "none"
	}
	var names []string
	for bit, name := range flagNames {
		if f&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	if rest := f >> len(flagNames) << len(flagNames); rest != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(rest)))
	}
	return strings.Join(names, ",")
}
