// Package resync knows which blocks differ between the two copies of a device,
// and in what order and at what speed a sync target fetches them.
//
// Bitmap marks the blocks, Planner makes the requests of the target, and
// Progress tells how far they got. None of them does I/O or looks at a clock:
// time is passed in.
package resync
