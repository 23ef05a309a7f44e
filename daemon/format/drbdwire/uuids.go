package drbdwire

import "encoding/binary"

// The lengths of the payloads of P_UUIDS and P_SYNC_UUID in bytes.
const (
	UUIDsSize    = 48
	SyncUUIDSize = 8
)

// UUIDFlags say what the UUIDs alone do not.
type UUIDFlags uint64

// The flags of UUIDs.
const (
	// UUIDDiscardMyData: in a split brain, the sender's data shall lose.
	UUIDDiscardMyData UUIDFlags = 1
	// UUIDCrashedPrimary: the sender was Primary when it went down.
	UUIDCrashedPrimary UUIDFlags = 2
	// UUIDInconsistent: read the disk state Negotiating as Inconsistent.
	UUIDInconsistent UUIDFlags = 4
	// UUIDSkipInitialSync: two new disks are declared equal. The bitmap UUID of
	// that packet is one that the sender drops right after it.
	UUIDSkipInitialSync UUIDFlags = 8
	// UUIDDiskGone: the sender is a Primary without a disk. Current is the generation
	// that its last disk has and its users have seen, History0 one that the disk may
	// have instead and nobody has seen. Not of the kernel's DRBD: that never sends
	// UUIDs without a disk, and does nothing with those it gets of such a node.
	UUIDDiskGone UUIDFlags = 1 << 32
)

// UUIDs is the payload of P_UUIDS: the generations of the sender's data. It is
// sent before the P_STATE that it belongs to, and without a disk only with
// UUIDDiskGone.
//
//	offset  size  field
//	0       8     Current   bit 0: the sender was Primary when this was stored
//	8       8     Bitmap
//	16      8     History0
//	24      8     History1
//	32      8     Dirty     bits that are set in the sender's bitmap
//	40      8     Flags
//
// Source: DRBD 8.4 wire, section 5.4.
type UUIDs struct {
	Current  uint64
	Bitmap   uint64
	History0 uint64
	History1 uint64
	Dirty    uint64 // blocks of 4096 bytes
	Flags    UUIDFlags
}

// Append adds the payload to dst.
func (u UUIDs) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, u.Current)
	dst = binary.BigEndian.AppendUint64(dst, u.Bitmap)
	dst = binary.BigEndian.AppendUint64(dst, u.History0)
	dst = binary.BigEndian.AppendUint64(dst, u.History1)
	dst = binary.BigEndian.AppendUint64(dst, u.Dirty)
	return binary.BigEndian.AppendUint64(dst, uint64(u.Flags))
}

// DecodeUUIDs reads the payload of P_UUIDS.
func DecodeUUIDs(b []byte) (UUIDs, error) {
	if err := exactly("P_UUIDS", b, UUIDsSize); err != nil {
		return UUIDs{}, err
	}
	return UUIDs{
		Current:  binary.BigEndian.Uint64(b),
		Bitmap:   binary.BigEndian.Uint64(b[8:]),
		History0: binary.BigEndian.Uint64(b[16:]),
		History1: binary.BigEndian.Uint64(b[24:]),
		Dirty:    binary.BigEndian.Uint64(b[32:]),
		Flags:    UUIDFlags(binary.BigEndian.Uint64(b[40:])),
	}, nil
}

// SyncUUID is the payload of P_SYNC_UUID: 8 bytes, the current UUID that the
// target of a resync takes on, with bit 0 as the target's own role has it: so
// the histories of both nodes differ in that bit afterwards. Source: DRBD 8.4
// wire, section 5.6, and what a kernel's superblock says after a resync.
type SyncUUID struct{ UUID uint64 }

// Append adds the payload to dst.
func (s SyncUUID) Append(dst []byte) []byte { return binary.BigEndian.AppendUint64(dst, s.UUID) }

// DecodeSyncUUID reads the payload of P_SYNC_UUID.
func DecodeSyncUUID(b []byte) (SyncUUID, error) {
	if err := exactly("P_SYNC_UUID", b, SyncUUIDSize); err != nil {
		return SyncUUID{}, err
	}
	return SyncUUID{UUID: binary.BigEndian.Uint64(b)}, nil
}
