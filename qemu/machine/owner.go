package machine

import (
	"fmt"
	"slices"
	"sync"
)

// Owner has machines on behalf of a program that is not a test: they die with
// End, and with the program.
type Owner struct {
	Say  func(text string) // hears what a test would log; nil is silence
	mu   sync.Mutex
	ends []func()
}

// Helper does nothing: it is for tests.
func (*Owner) Helper() {}

// Cleanup keeps what is to be done at the end.
func (o *Owner) Cleanup(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = append(o.ends, f)
}

// Logf says a line.
func (o *Owner) Logf(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// End does what is to be done at the end, the newest first.
func (o *Owner) End() {
	o.mu.Lock()
	ends := o.ends
	o.ends = nil
	o.mu.Unlock()
	for _, f := range slices.Backward(ends) {
		f()
	}
}
