package actlog

// none is the end of a list.
const none = -1

// A list links slots from the one that was pushed first to the one pushed
// last. The links are in the slots.
type list struct{ oldest, newest int }

func newList() list { return list{none, none} }

func (l *list) push(slots []slot, i int) {
	slots[i].prev, slots[i].next = l.newest, none
	if l.newest == none {
		l.oldest = i
	} else {
		slots[l.newest].next = i
	}
	l.newest = i
}

func (l *list) remove(slots []slot, i int) {
	prev, next := slots[i].prev, slots[i].next
	if prev == none {
		l.oldest = next
	} else {
		slots[prev].next = next
	}
	if next == none {
		l.newest = prev
	} else {
		slots[next].prev = prev
	}
}
