package input_test

import (
	"io"
	"net"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/e2e/local"
)

// A hostile is whoever can send from milo2's address, which is not polluxd.
type hostile struct{ data, meta net.Conn }

// from connects to milo1's DRBD port from an address.
func from(ctx SpecContext, address string, milo1 *local.Node) net.Conn {
	GinkgoHelper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	var conn net.Conn
	Eventually(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(milo1.Address, strconv.Itoa(local.DRBDPort)))
		return err
	}).WithContext(ctx).WithTimeout(moment).Should(Succeed(), "milo1 looks for its peer")
	DeferCleanup(func() { _ = conn.Close() })
	Expect(conn.SetDeadline(time.Now().Add(moment))).To(Succeed())
	return conn
}

// meet gets as far as to both sockets: milo1 sends its features.
func meet(ctx SpecContext, pair *local.Pair) *hostile {
	GinkgoHelper()
	h := &hostile{}
	Eventually(func() error {
		h.data = from(ctx, pair.Milo2.Address, pair.Milo1)
		send(h.data, drbdwire.CmdInitialData, nil)
		h.meta = from(ctx, pair.Milo2.Address, pair.Milo1)
		send(h.meta, drbdwire.CmdInitialMeta, nil)
		_, err := io.ReadFull(h.data, make([]byte, drbdwire.H80.Size()+drbdwire.FeaturesSize))
		return err
	}).WithContext(ctx).WithTimeout(moment).Should(Succeed(), "milo1 accepts both sockets, if they do not cross with its own")
	return h
}

// features gets as far as to the agreement on a version.
func features(ctx SpecContext, pair *local.Pair) *hostile {
	GinkgoHelper()
	h := meet(ctx, pair)
	send(h.data, drbdwire.CmdFeatures, drbdwire.Features{Min: 86, Max: 101}.Append(nil))
	return h
}

// connected gets as far as a peer without a disk gets: milo1 is Connected.
func connected(ctx SpecContext, pair *local.Pair) *hostile {
	GinkgoHelper()
	h := features(ctx, pair)
	send(h.data, drbdwire.CmdProtocol, drbdwire.Protocol{Wire: drbdwire.ProtocolC}.Append(nil))
	send(h.data, drbdwire.CmdSyncParam89, drbdwire.SyncParam{}.Append(nil))
	send(h.data, drbdwire.CmdSizes, drbdwire.Sizes{MaxBio: 4096}.Append(nil))
	send(h.data, drbdwire.CmdUUIDs, drbdwire.UUIDs{}.Append(nil))
	send(h.data, drbdwire.CmdState, drbdwire.AppendState(nil, drbdwire.State{
		Role: drbdwire.Secondary, Conn: drbdwire.WFConnection, PeerDisk: drbdwire.DUnknown,
	}))
	Eventually(pair.Milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("Connected"),
		"a peer without a disk is a peer")
	return h
}

// packet is a packet with the header that fits its command.
func packet(command drbdwire.Command, payload []byte) []byte {
	format := drbdwire.H100
	if command >= drbdwire.CmdInitialMeta { // before there is a version
		format = drbdwire.H80
	}
	return append(announce(format, command, uint32(len(payload))), payload...)
}

// announce is a header alone.
func announce(format drbdwire.HeaderFormat, command drbdwire.Command, length uint32) []byte {
	return drbdwire.AppendHeader(nil, format, drbdwire.Header{Command: command, Length: length})
}

func send(conn net.Conn, command drbdwire.Command, payload []byte) {
	GinkgoHelper()
	_, err := conn.Write(packet(command, payload))
	Expect(err).NotTo(HaveOccurred())
}

// hungUp waits until milo1 has closed a socket.
func hungUp(conn net.Conn) {
	GinkgoHelper()
	_, err := io.Copy(io.Discard, conn)
	Expect(err).To(Or(Not(HaveOccurred()), MatchError(ContainSubstring("reset by peer"))), "milo1 closes the socket")
}
