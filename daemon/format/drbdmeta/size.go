package drbdmeta

import (
	"errors"
	"fmt"
)

// ErrTooBig is a configured size that the disks cannot hold.
var ErrTooBig = errors.New("configured size is too big")

// AgreedSize is the size in sectors that both nodes export, from this node's
// offer (Layout.DataSectors), the peer's, the last agreed size and the
// configured one; 0 is unknown, never and none. A configured size that does
// not fit fails with ErrTooBig: the size is then the one without it, and is
// returned with the error. Source: DRBD meta-data, section 4.2.
func AgreedSize(own, peer, last, configured uint64) (uint64, error) {
	size := max(own, peer)
	switch {
	case own != 0 && peer != 0:
		size = min(own, peer)
	case last != 0:
		// The one that is known bounds the last size; without any it stands.
		if size == 0 || last < size {
			size = last
		}
	}
	if configured == 0 {
		return size, nil
	}
	if configured > size {
		return size, fmt.Errorf("configured size of %d sectors: the disks agree on %d: %w", configured, size, ErrTooBig)
	}
	return configured, nil
}
