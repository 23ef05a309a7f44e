package clock

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// machine is the clocks of a machine.
type machine struct {
	wall, monotonic, boot time.Duration
	asked                 int
	broken                error
}

func (m *machine) runs(d time.Duration) {
	m.wall, m.monotonic, m.boot = m.wall+d, m.monotonic+d, m.boot+d
}

func (m *machine) isSuspended(d time.Duration) { m.wall, m.boot = m.wall+d, m.boot+d }

func (m *machine) clock() *Clock {
	m.boot = 40 * time.Hour
	return start(time.Time{}, func() reading { return reading{int64(m.wall), int64(m.monotonic)} },
		func() (time.Duration, error) {
			m.asked++
			return m.boot, m.broken
		})
}

func TestASuspendCounts(t *testing.T) {
	g, m := NewWithT(t), machine{}
	c := m.clock()
	m.runs(time.Second)
	g.Expect(c.Now()).To(Equal(time.Second))
	m.isSuspended(time.Hour)
	g.Expect(c.Now()).To(Equal(time.Hour + time.Second))
	m.runs(time.Second)
	m.isSuspended(time.Minute)
	g.Expect(c.Now()).To(Equal(time.Hour + time.Minute + 2*time.Second))
}

func TestTheTimeOfDayDoesNotCount(t *testing.T) {
	g, m := NewWithT(t), machine{}
	c := m.clock()
	for _, step := range []time.Duration{time.Hour, -3 * time.Hour, time.Minute} {
		before := c.Now()
		m.wall += step
		g.Expect(c.Now()).To(Equal(before))
		m.runs(time.Minute)
		g.Expect(c.Now()).To(Equal(before + time.Minute))
	}
	m.wall -= time.Hour
	m.isSuspended(30 * time.Minute)
	g.Expect(c.Now()).To(Equal(33 * time.Minute))
}

func TestTheKernelIsAskedSeldom(t *testing.T) {
	g, m := NewWithT(t), machine{}
	c := m.clock()
	asked := m.asked
	for range 1000 {
		m.runs(time.Second)
		c.Now()
	}
	g.Expect(m.asked).To(Equal(asked))
}

func TestAKernelWithoutThatClock(t *testing.T) {
	g, m := NewWithT(t), machine{broken: errors.ErrUnsupported}
	c := m.clock()
	m.runs(time.Second)
	m.isSuspended(time.Hour)
	g.Expect(c.Now()).To(Equal(time.Second))
}

func TestTheRealClockGoesOn(t *testing.T) {
	g, c := NewWithT(t), New()
	for last := time.Duration(0); last < time.Millisecond; {
		now := c.Now()
		g.Expect(now).To(BeNumerically(">=", last))
		last = now
	}
	g.Expect(c.Started()).NotTo(BeZero())
}
