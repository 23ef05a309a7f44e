// Package newest hands the newest of many things from one goroutine to
// another: who takes them may be slow, and wants no old ones.
package newest

// Queue holds one thing at most. Make it with New, receive from it as from any
// channel. One goroutine at a time may put.
type Queue[T any] chan T

// New makes an empty one.
func New[T any]() Queue[T] { return make(chan T, 1) }

// Put never waits: what was put before, and not taken yet, is lost.
func (q Queue[T]) Put(thing T) {
	for {
		select {
		case q <- thing:
			return
		default:
		}
		select {
		case <-q:
		default:
		}
	}
}
