package drbdwire

import "fmt"

// A Framer cuts the bytes that one socket of a connection carries in one
// direction into packets. No packet's end is known without the one before it:
// every data packet has a digest whose length P_PROTOCOL has announced.
//
//	HeaderSize(first 4 bytes) -> Cut(header) -> Learn(fixed part) -> the next
type Framer struct {
	on SocketSet
	// digest is the length of the digest in data packets, bytes.
	digest int
}

// NewFramer is for a socket that has carried nothing yet.
func NewFramer(on SocketSet) Framer { return Framer{on: on} }

// Cut reads the header at the start of b and says how long the fixed part and
// the bulk data behind it are, as Split does. It fails on what may not stand
// there on this socket.
func (f *Framer) Cut(b []byte) (h Header, fixed, bulk uint32, err error) {
	if h, _, err = DecodeHeader(b); err != nil {
		return h, 0, 0, err
	}
	if Socket(h.Command)&f.on == 0 {
		return h, 0, 0, fmt.Errorf("%s of %d bytes does not belong on the %v", h.Command, h.Length, f.on)
	}
	fixed, bulk, err = Split(h.Command, h.Length, f.digest)
	return h, fixed, bulk, err
}

// Learn follows the digest that the sender announces: it is in every data
// packet that follows. Source: DRBD 8.4 wire, section 5.1.
func (f *Framer) Learn(command Command, fixed []byte) {
	if command != CmdProtocol && command != CmdProtocolUpdate {
		return
	}
	p, err := DecodeProtocol(fixed)
	if err != nil {
		// What is wrong with it is for the core to say; no data follow.
		return
	}
	f.digest = 0
	if size, err := DigestSize(p.IntegrityAlg); err == nil {
		f.digest = size
	}
}
