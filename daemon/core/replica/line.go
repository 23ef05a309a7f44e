package replica

// A line is a list that is left near its head most of the time, and that makes
// no garbage: what stands behind the one who leaves is not moved.
type line[T any] struct {
	items []T
	head  int // of items, the first that is in the line
}

func (l *line[T]) all() []T { return l.items[l.head:] }

func (l *line[T]) len() int { return len(l.items) - l.head }

func (l *line[T]) push(item T) {
	if len(l.items) == cap(l.items) && l.head > len(l.items)/2 {
		l.items = l.items[:copy(l.items, l.items[l.head:])]
		l.head = 0
	}
	l.items = append(l.items, item)
}

// remove takes the one at i out, by moving those before it.
func (l *line[T]) remove(i int) {
	copy(l.items[l.head+1:], l.items[l.head:l.head+i])
	l.drop(1)
}

// drop takes the first n out.
func (l *line[T]) drop(n int) {
	l.head += n
	if l.head == len(l.items) {
		l.keep(0)
	}
}

// keep takes all but the first n out.
func (l *line[T]) keep(n int) {
	l.items = l.items[:l.head+n]
	if n == 0 {
		l.items, l.head = l.items[:0], 0
	}
}
