package kernel

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// What the tests of encoding need.
type (
	Setup = setup
	Reply = reply
)

var (
	ConnectAttributes     = connectAttributes
	ReconfigureAttributes = reconfigureAttributes
	AppendMessage         = appendMessage
	Attribute             = attribute
	Read                  = (*reply).read
	FamilyOf              = familyOf
)

func MakeSetup(index int, size uint64, flags nbd.TransmissionFlags, socket int) Setup {
	return setup{
		index: index, size: size, block: 512, flags: flags, socket: socket, deadTime: 10 * time.Minute,
		identifier: "pollux:r1",
	}
}

func (r *reply) Attributes() []byte { return r.attributes }
func (r *reply) Done() bool         { return r.done }

// Fake is a kernel with an nbd driver: its file systems lie below Root.
type Fake struct {
	Root string

	mu      sync.Mutex
	devices map[int]*fakeDevice
	// Busy are the devices that somebody has for himself, or that others use.
	busy map[int]bool
}

type fakeDevice struct {
	setup setup
	// conn is the driver's end, for the test to send requests on.
	conn net.Conn
}

func NewFake(root string) *Fake {
	return &Fake{Root: root, devices: map[int]*fakeDevice{}, busy: map[int]bool{}}
}

// NewDevice is New on the fake.
func (f *Fake) NewDevice(c Config) *Device {
	d := New(c)
	d.driver, d.host = f, host{f.Root}
	return d
}

// SetBusy makes somebody have a device for himself.
func (f *Fake) SetBusy(index int, busy bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[index] = busy
}

// Conn is the driver's end of the device's socket; nil if there is no device.
func (f *Fake) Conn(index int) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.devices[index]; d != nil {
		return d.conn
	}
	return nil
}

// Drop makes the driver give up a device's connection.
func (f *Fake) Drop(index int) error { return f.Conn(index).(*net.UnixConn).CloseWrite() }

// Told is what the driver was told last of a device.
func (f *Fake) Told(index int) (size uint64, block int, flags nbd.TransmissionFlags, dead time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.devices[index].setup
	return s.size, s.block, s.flags, s.deadTime
}

// Place writes a file of the fake's.
func (f *Fake) Place(name, content string) {
	path := filepath.Join(f.Root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		panic(err)
	}
}

func (f *Fake) connect(s setup) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.index == anyIndex {
		for s.index = 0; f.devices[s.index] != nil || f.busy[s.index]; s.index++ {
		}
	}
	if f.devices[s.index] != nil || f.busy[s.index] {
		return 0, unix.EBUSY
	}
	f.devices[s.index] = &fakeDevice{s, connOfDescriptor(s.socket)}
	block := "sys/block/nbd" + strconv.Itoa(s.index)
	f.Place(block+"/backend", s.identifier+"\n")
	f.Place(block+"/size", strconv.FormatUint(s.size/512, 10)+"\n")
	f.Place(block+"/dev", "43:"+strconv.Itoa(s.index*32)+"\n")
	for name, value := range map[string]string{
		"io_timeout": "30000\n", "max_sectors_kb": "1280\n", "scheduler": "[mq-deadline] none\n",
	} {
		f.Place(block+"/queue/"+name, value)
	}
	f.Place(node(s.index), "")
	return s.index, nil
}

func (f *Fake) reconfigure(s setup) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.devices[s.index]
	if d == nil || d.setup.identifier != s.identifier {
		return unix.EINVAL
	}
	d.setup.size = s.size
	if s.socket < 0 {
		return nil
	}
	if alone, err := isAlone(d.conn.(*net.UnixConn)); err != nil || !alone {
		return err
	}
	_ = d.conn.Close()
	d.conn = connOfDescriptor(s.socket)
	f.Place("sys/block/nbd"+strconv.Itoa(s.index)+"/queue/io_timeout", "30000\n")
	return nil
}

func (f *Fake) disconnect(index int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.devices[index]
	if d == nil {
		return unix.EINVAL
	}
	_, _ = d.conn.Write(nbd.Request{Command: nbd.CommandDisconnect}.Append(nil))
	_ = d.conn.Close()
	delete(f.devices, index)
	f.Place("sys/block/nbd"+strconv.Itoa(index)+"/size", "0\n")
	return os.Remove(filepath.Join(f.Root, "sys/block/nbd"+strconv.Itoa(index), "backend"))
}

func (f *Fake) exclude(index int) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[index] {
		return nil, unix.EBUSY
	}
	return os.Open(filepath.Join(f.Root, node(index)))
}

// connOfDescriptor makes a connection of a descriptor that its owner closes.
func connOfDescriptor(fd int) net.Conn {
	again, err := unix.Dup(fd)
	if err != nil {
		panic(err)
	}
	c, err := connOf(os.NewFile(uintptr(again), "the fake's end"))
	if err != nil {
		panic(err)
	}
	return c
}
