// Package actlog decides what must be in the activity log on disk before a
// write may start, so that a crash leaves no block that differs from the
// peer's unnoticed.
package actlog

import "github.com/optionc/pollux/daemon/format/drbdmeta"

// Log is the table of extents that may have writes under way.
type Log struct{ slots int }

// New makes an empty log of slots slots.
func New(slots int, stripes, stripeSize4k uint32) *Log {
	return &Log{slots: min(max(slots, 1), drbdmeta.MaxALExtents(stripes, stripeSize4k))}
}
func (l *Log) Get(first, last uint32) bool                             { return false }
func (l *Log) Next(t *drbdmeta.Transaction) (evicted []uint32, ok bool) { return nil, false }
func (l *Log) Committed()                                              {}
func (l *Log) Put(first, last uint32)                                  {}
func (l *Log) Active(extent uint32) bool                               { return false }
func (l *Log) Extents(dst []uint32) []uint32                           { return dst }
func (l *Log) Block() int64                                            { return 0 }
func (l *Log) Len() int                                                { return 0 }
func (l *Log) Slots() int                                              { return l.slots }
func (l *Log) Reset()                                                  {}
