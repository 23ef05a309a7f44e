package disk_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/disk"
	"github.com/optionc/pollux/faults/draw"
)

func read(t *testing.T, d *disk.Disk[int], sector int) int {
	t.Helper()
	got := make([]int, 1)
	NewWithT(t).Expect(d.Read(sector, got)).To(Succeed())
	return got[0]
}

func never() bool  { return false }
func always() bool { return true }

func TestPowerLoss(t *testing.T) {
	for name, tc := range map[string]struct {
		do       func(*disk.Disk[int])
		survives func() bool
		want     int
	}{
		"takes what was not flushed": {
			do:       func(d *disk.Disk[int]) { _ = d.Write(3, []int{1}, false) },
			survives: never, want: 0,
		},
		"may leave what was not flushed": {
			do:       func(d *disk.Disk[int]) { _ = d.Write(3, []int{1}, false) },
			survives: always, want: 1,
		},
		"leaves what was written through": {
			do:       func(d *disk.Disk[int]) { _ = d.Write(3, []int{1}, true) },
			survives: never, want: 1,
		},
		"leaves what was complete when a flush was submitted": {
			do: func(d *disk.Disk[int]) {
				_ = d.Write(3, []int{1}, false)
				stamp := d.Stamp()
				_ = d.Write(3, []int{2}, false)
				d.Flush(stamp)
			},
			survives: never, want: 1,
		},
		"never puts an older write over a newer one": {
			do: func(d *disk.Disk[int]) {
				_ = d.Write(3, []int{1}, false)
				_ = d.Write(3, []int{2}, true)
			},
			survives: always, want: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := disk.New(8, 0)
			tc.do(d)
			d.PowerLoss(tc.survives)
			NewWithT(t).Expect(read(t, d, 3)).To(Equal(tc.want))
		})
	}
}

func TestTearsAtSectors(t *testing.T) {
	d := disk.New(64, 0)
	one := make([]int, 64)
	for i := range one {
		one[i] = 1
	}
	NewWithT(t).Expect(d.Write(0, one, false)).To(Succeed())
	coin := draw.New(1, "tear")
	d.PowerLoss(func() bool { return coin.Below(2) == 0 })
	sum := 0
	for i := range 64 {
		sum += read(t, d, i)
	}
	NewWithT(t).Expect(sum).To(And(BeNumerically(">", 0), BeNumerically("<", 64)))
}

func TestBadSectors(t *testing.T) {
	g := NewWithT(t)
	d := disk.New(8, 0)
	d.MakeBad(2, 2)
	g.Expect(d.Read(0, make([]int, 4))).To(MatchError(ContainSubstring("sector 2: medium error")))
	g.Expect(d.Read(4, make([]int, 4))).To(Succeed())
	g.Expect(d.Write(2, []int{1, 1}, false)).To(Succeed())
	g.Expect(d.Read(0, make([]int, 4))).To(Succeed())
	d.MakeBad(0, 3)
	g.Expect(d.Bad()).To(Equal(3))
	d.Heal()
	g.Expect(d.Read(0, make([]int, 4))).To(Succeed())
	g.Expect(d.Read(6, make([]int, 4))).To(MatchError(ContainSubstring("beyond the end")))
}

func TestCloneIsADiskOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	d := disk.New(8, 0)
	g.Expect(d.Write(1, []int{1}, true)).To(Succeed())
	g.Expect(d.Write(2, []int{2}, false)).To(Succeed())
	d.MakeBad(3, 1)
	c := d.Clone()
	g.Expect(d.Write(1, []int{9}, true)).To(Succeed())
	d.Flush(d.Stamp())
	g.Expect(c.Unflushed()).To(Equal(1))
	c.PowerLoss(never)
	g.Expect(c.Write(3, []int{3}, true)).To(Succeed())
	g.Expect([]int{read(t, c, 1), read(t, c, 2), read(t, c, 3)}).To(Equal([]int{1, 0, 3}))
	g.Expect([]int{read(t, d, 1), read(t, d, 2)}).To(Equal([]int{9, 2}))
	g.Expect(d.Read(3, make([]int, 1))).To(MatchError(ContainSubstring("medium error")))
}
