package haconf

// Guests is what pollux does with Xen's guests besides starting and stopping them. Heartbeat does not know the directive
// guests_at_once, and refuses the file.
type Guests struct {
	AtOnce int // of those of the same pollux_order, how many are started at the same time; 0 is one
}

// maxAtOnce bounds guests_at_once; xl creates one after the other anyway.
const maxAtOnce = 64
