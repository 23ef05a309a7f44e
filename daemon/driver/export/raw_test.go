package export_test

import (
	"encoding/binary"
	"io"
	"net"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// raw is a client that says exactly what a test wants.
type raw struct {
	net.Conn
	t tester
}

func dial(t tester, socket string) *raw {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &raw{c, t}
}

func (r *raw) send(parts ...[]byte) {
	r.t.Helper()
	for _, b := range parts {
		if _, err := r.Write(b); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *raw) take(n int) []byte {
	r.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatal(err)
	}
	return b
}

// ended says whether the server closed the connection without another byte.
func (r *raw) ended() bool {
	n, err := r.Read(make([]byte, 1))
	return n == 0 && err != nil
}

// greet does the first exchange.
func (r *raw) greet(flags uint32) {
	r.t.Helper()
	if hello := string(r.take(18)); hello != "NBDMAGICIHAVEOPT\x00\x03" {
		r.t.Fatal("greeting", hello)
	}
	r.send(binary.BigEndian.AppendUint32(nil, flags))
}

func option(number nbd.Option, data string) []byte {
	b := binary.BigEndian.AppendUint64(nil, nbd.OptionMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(number))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// goData is what goes with INFO and GO.
func goData(name string, kinds ...uint16) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(kinds)))
	for _, kind := range kinds {
		b = binary.BigEndian.AppendUint16(b, kind)
	}
	return string(b)
}

type optionReply struct {
	Option nbd.Option
	Kind   nbd.OptionReply
	Data   string
}

func (r *raw) optionReply() optionReply {
	r.t.Helper()
	head := r.take(20)
	if magic := binary.BigEndian.Uint64(head); magic != nbd.OptionReplyMagic {
		r.t.Fatal("magic of an option reply", magic)
	}
	return optionReply{
		nbd.Option(binary.BigEndian.Uint32(head[8:])),
		nbd.OptionReply(binary.BigEndian.Uint32(head[12:])),
		string(r.take(int(binary.BigEndian.Uint32(head[16:])))),
	}
}

// open does a whole handshake by EXPORT_NAME, the shortest one.
func (r *raw) open() *raw {
	r.t.Helper()
	r.greet(nbd.FixedNewstyle | nbd.NoZeroes)
	r.send(option(nbd.OptionExportName, "r0"))
	r.take(10)
	return r
}

func (r *raw) reply() nbd.Reply {
	r.t.Helper()
	reply, err := nbd.DecodeReply((*[nbd.ReplySize]byte)(r.take(nbd.ReplySize)))
	if err != nil {
		r.t.Fatal(err)
	}
	return reply
}
