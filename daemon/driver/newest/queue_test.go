package newest_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/newest"
)

func TestTheNewestIsWhatIsLeft(t *testing.T) {
	g := NewWithT(t)
	q := newest.New[int]()
	q.Put(1)
	q.Put(2)
	q.Put(3)
	g.Expect(<-q).To(Equal(3))
	g.Expect(q).NotTo(Receive())
}

func TestTheLastOneAlwaysArrives(t *testing.T) {
	const last = 1000
	q := newest.New[int]()
	go func() {
		for i := 1; i <= last; i++ {
			q.Put(i)
		}
	}()
	for before, i := 0, 0; i != last; before = i {
		if i = <-q; i <= before {
			t.Fatalf("%d came after %d", i, before)
		}
	}
}
