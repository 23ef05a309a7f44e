// Package planted holds the bugs that can be planted in the cores, to show
// that the simulator's oracles find them. A release build has none: without
// the build tag "planted" every question is answered by a constant false, and
// the compiler drops the branch.
package planted

// A Bug is one mistake that such systems really made.
type Bug uint8

// The bugs. Each is drawn from the change log of a system of this kind.
const (
	// AckBeforeDisk: the Secondary acknowledges a write when it has it in
	// memory, under protocol C.
	AckBeforeDisk Bug = 1
	// SkipActivityLog: data is written although its extent is not on disk in
	// the activity log.
	SkipActivityLog Bug = 2
	// LoseBitmap: the bits that the activity log names are forgotten when a
	// crashed Primary attaches again.
	LoseBitmap Bug = 3
	// GuestBeforePrimary: a group is started from right to left.
	GuestBeforePrimary Bug = 4
	// PromoteStale: promotion does not ask what the data are worth.
	PromoteStale Bug = 5
	// WriteDuringCompare: users' writes are not held while their block is read
	// for a resync or a verify.
	WriteDuringCompare Bug = 6
)
