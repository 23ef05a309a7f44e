// Package impure breaks every ban of the pure packages. A comment at the end
// of a line says what must be found there.
package impure

import (
	"crypto/sha256" // banned: import of crypto/sha256
	"errors"
	"fmt"
	"maps"
	"math/rand" // banned: import of math/rand
	"reflect"   // banned: import of reflect
	"slices"
	"strings"
	"time"
	"unsafe" // banned: import of unsafe
)

// ErrFine and names are what a pure package may have.
var ErrFine = errors.New("fine")

var names = []string{"zero", "one"}

// Seen and the others are state that no node owns.
var Seen = 0 // banned: exported package variable Seen, which anybody could write

var (
	unset int // banned: package variable unset without a value
	memo  = map[int]int{}
	cache = &store{}
	total = 1
)

type store struct{ last int }

func (s *store) put(v int) { s.last = v }
func (s *store) get() int  { return s.last }

type pair struct {
	left  chan int // banned: a goroutine or channel
	right float64  // banned: a float: its rounding differs by architecture
}

func init() { // banned: func init
	total++ // banned: write to package variable total
}

func writes(v int) *int {
	memo[v] = v               // banned: write to package variable memo
	delete(memo, v)           // banned: write to package variable memo
	names[0] = "none"         // banned: write to package variable names
	cache.put(v)              // banned: write to package variable cache
	copy(names[1:], names)    // banned: write to package variable names
	unset = cache.get()       // banned: write to package variable unset
	ErrFine = nil             // banned: write to package variable ErrFine
	for total = range names { // banned: write to package variable total
		v++
	}
	return &Seen // banned: write to package variable Seen
}

func parallel(p pair) {
	go writes(0) // banned: a goroutine or channel
	p.left <- 1  // banned: a goroutine or channel
	<-p.left     // banned: a goroutine or channel
	select {}    // banned: a goroutine or channel
}

func drain(p pair) (sum int) {
	for v := range p.left { // banned: a goroutine or channel
		sum += v
	}
	return sum
}

func order(m map[string]int) []string {
	for name := range m { // banned: the order of a map
		return []string{name}
	}
	if len(m) > 1 {
		return slices.Collect(maps.Keys(m)) // banned: the order of a map
	}
	fine := slices.Sorted(maps.Keys(m))
	return append(fine, slices.SortedFunc(maps.Keys(m), strings.Compare)...)
}

func clocks() time.Time {
	now := time.Now             // banned: a clock: time arrives in events
	zone := time.Local          // banned: the machine's time zone
	time.Sleep(time.Second / 2) // banned: a clock: time arrives in events
	return now().In(zone)
}

func prints(p *pair) string {
	fmt.Println("here") // banned: input or output
	const where = "at %p"
	return fmt.Sprintf(where, p) + fmt.Sprint(len(names), 100.0*len(names)) // banned: an address in print
}

func floats(a, b int) bool {
	mean := float64(a+b) / 2                                                                     // banned: a float: its rounding differs by architecture
	return reflect.DeepEqual(unsafe.Sizeof(a), rand.Int()) && sha256.Size == b && int(mean) == a // banned: a float: its rounding differs by architecture
}
