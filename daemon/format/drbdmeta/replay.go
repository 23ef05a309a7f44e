package drbdmeta

// Replayed is what an activity log tells after a crash.
type Replayed struct {
	// Hot holds the extents that may differ from the peer's, ascending: all
	// their bits are to be set. It is empty unless the node was Primary.
	Hot []uint32
	// Torn counts the blocks that are not whole. One is the write that the
	// crash interrupted; more are worth a warning.
	Torn int
}
