package export_test

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
)

// memory is a resource that lies in memory and answers out of order: each
// request has a goroutine.
type memory struct {
	pool *buffer.Pool

	mu   sync.Mutex
	data []byte
	log  []string
	// refuse, if set, is asked for the error of each request.
	refuse func(r *export.Request) error
	// gate, if set, is received from before each answer.
	gate chan bool
}

func (m *memory) handle(r *export.Request) { go m.answer(r) }

func (m *memory) answer(r *export.Request) {
	if m.gate != nil {
		<-m.gate
	}
	buf, err := m.carryOut(r)
	if r.Buf != 0 {
		m.pool.Release(r.Buf)
	}
	r.Answer(buf, err).Flush()
	if buf != 0 {
		m.pool.Release(buf)
	}
}

func (m *memory) carryOut(r *export.Request) (replica.Buf, error) {
	start, end := r.Sector*512, r.Sector*512+uint64(r.Size)
	buf := replica.Buf(0)
	if r.Op == replica.OpRead {
		buf = m.pool.Get(int(r.Size))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, text(r))
	if m.refuse != nil {
		if err := m.refuse(r); err != nil {
			if buf != 0 {
				m.pool.Release(buf)
			}
			return 0, err
		}
	}
	switch r.Op {
	case replica.OpRead:
		copy(m.pool.Bytes(buf), m.data[start:end])
	case replica.OpWrite:
		copy(m.data[start:end], m.pool.Bytes(r.Buf))
	case replica.OpTrim, replica.OpZero:
		clear(m.data[start:end])
	case replica.OpFlush:
	}
	return buf, nil
}

// seen is what was asked for so far, and forgets it.
func (m *memory) seen() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.log
	m.log = nil
	return log
}

func text(r *export.Request) string {
	name := [...]string{
		replica.OpRead: "read", replica.OpWrite: "write", replica.OpFlush: "flush",
		replica.OpTrim: "trim", replica.OpZero: "zero",
	}[r.Op]
	if r.FUA {
		name += " fua"
	}
	return fmt.Sprintf("%s %d+%d", name, r.Sector, r.Size)
}

// tester is what both *testing.T and Ginkgo's GinkgoT() are.
type tester interface {
	Helper()
	TempDir() string
	Cleanup(func())
	Fatal(...any)
	Error(...any)
}

// device is an exposed resource "r0" in memory.
type device struct {
	*export.Server
	*memory
	socket string
	spec   export.Spec
}

func newDevice(t tester, size int, change ...func(*export.Config, *export.Spec)) *device {
	t.Helper()
	pool, err := buffer.NewPool(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{
		memory: &memory{pool: pool, data: make([]byte, size)},
		socket: filepath.Join(t.TempDir(), "r0.nbd"),
		spec:   export.Spec{Name: "r0", Sectors: uint64(size) / 512, LogicalBlock: 512, PhysicalBlock: 4096},
	}
	config := export.Config{Socket: d.socket, Pool: pool, Handler: d.handle}
	for _, f := range change {
		f(&config, &d.spec)
	}
	d.Server = export.NewServer(config)
	if err := d.Expose(d.spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		pool.Close()
	})
	return d
}
