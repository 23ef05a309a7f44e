package buffer

const (
	// topOrder is the size class of MaxSize.
	topOrder = 8
	topPages = 1 << topOrder
)

// none ends a list of free blocks.
const none = ^uint32(0)

// busy marks a page at which no free block starts.
const busy = ^uint8(0)

// buddies divides the pool's pages into blocks of 1, 2, 4 ... topPages pages.
// A freed block merges with its neighbour of the same size, if that is free
// too, so that small buffers never use up the large ones for good.
type buddies struct {
	heads [topOrder + 1]uint32
	next  []uint32
	prev  []uint32
	order []uint8 // of the free block that starts here, else busy
}

// newBuddies has n pages, a multiple of topPages, all free.
func newBuddies(n int) buddies {
	d := buddies{next: make([]uint32, n), prev: make([]uint32, n), order: make([]uint8, n)}
	for i := range d.heads {
		d.heads[i] = none
	}
	for i := range d.order {
		d.order[i] = busy
	}
	for page := n - topPages; page >= 0; page -= topPages {
		d.push(uint32(page), topOrder)
	}
	return d
}

// take returns the first page of a block of that order, or false if there is
// none.
func (d *buddies) take(order uint8) (uint32, bool) {
	have := order
	for d.heads[have] == none {
		if have == topOrder {
			return 0, false
		}
		have++
	}
	page := d.heads[have]
	d.unlink(page)
	for have > order {
		have--
		d.push(page+1<<have, have)
	}
	return page, true
}

// give returns a block that take handed out.
func (d *buddies) give(page uint32, order uint8) {
	for order < topOrder {
		buddy := page ^ 1<<order
		if d.order[buddy] != order {
			break
		}
		d.unlink(buddy)
		page &= buddy
		order++
	}
	d.push(page, order)
}

func (d *buddies) push(page uint32, order uint8) {
	head := d.heads[order]
	d.next[page], d.prev[page] = head, none
	if head != none {
		d.prev[head] = page
	}
	d.heads[order] = page
	d.order[page] = order
}

func (d *buddies) unlink(page uint32) {
	next, prev := d.next[page], d.prev[page]
	if prev == none {
		d.heads[d.order[page]] = next
	} else {
		d.next[prev] = next
	}
	if next != none {
		d.prev[next] = prev
	}
	d.order[page] = busy
}
