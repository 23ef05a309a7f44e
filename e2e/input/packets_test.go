package input_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/e2e/local"
)

// memory is more than a daemon with its 64 MiB for payloads ever needs.
const memory = 160 << 20

// peak is the most memory that a process ever had, in bytes.
func peak(pid int) uint64 {
	GinkgoHelper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	Expect(err).NotTo(HaveOccurred())
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	Expect(found).To(HaveLen(2))
	kib, err := strconv.ParseUint(string(found[1]), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return kib << 10
}

// unharmed is what must hold after whatever was sent.
func unharmed(ctx SpecContext, n *local.Node) {
	GinkgoHelper()
	Expect(end(ctx, programs.Pollux(n, "status"))).To(gexec.Exit(0))
	Expect(n.Resource(ctx)).To(HaveField("Frozen", ""))
	Expect(peak(n.PID())).To(BeNumerically("<", memory))
}

var _ = Describe("What comes to the DRBD port", Ordered, ContinueOnFailure, func() {
	var pair *local.Pair
	var milo1 *local.Node

	BeforeAll(func(ctx SpecContext) {
		pair = local.New(local.Options{Programs: programs, DiskSize: 2 << 20})
		milo1 = pair.Milo1
		milo1.CreateMD()
		milo1.Start(ctx)
		Eventually(milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("WFConnection"), "the disk is attached")
		Expect(milo1.Force(ctx, "primary")).To(Succeed())
	}, limit)

	AfterEach(func(ctx SpecContext) {
		unharmed(ctx, milo1)
		Expect(milo1.Order(ctx, "connect")).To(Succeed()) // it gives a peer up that can never fit
		Eventually(milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("WFConnection"), "it looks for its peer on")
	}, limit)

	It("from elsewhere than the peer is refused", func(ctx SpecContext) {
		network, _, _ := bytes.Cut([]byte(milo1.Address), []byte(".1"))
		conn := from(ctx, string(network)+".99", milo1)
		hungUp(conn)
		Eventually(milo1.Log).WithContext(ctx).WithTimeout(moment).Should(
			gbytes.Say("not the peer, which is "+pair.Milo2.Address), "the log says why")
	}, limit)

	DescribeTable("as a first packet, and is none, closes the socket",
		func(ctx SpecContext, sent []byte, reason string) {
			conn := from(ctx, pair.Milo2.Address, milo1)
			_, err := conn.Write(sent)
			Expect(err).NotTo(HaveOccurred())
			hungUp(conn)
			Eventually(milo1.Log).WithContext(ctx).WithTimeout(moment).Should(gbytes.Say(reason), "the log says why")
		},
		Entry("noise", noise(4096), "first packet"),
		Entry("a browser", []byte("GET / HTTP/1.1\r\n\r\n"), "packet starts with 47455420, want the magic"),
		Entry("a packet of later", announce(drbdwire.H80, drbdwire.CmdState, 4), "first packet is P_STATE of 4 bytes"),
	)

	DescribeTable("on a link, and is no packet or at the wrong time, drops the link",
		func(ctx SpecContext, stage func(SpecContext, *local.Pair) *hostile, meta bool, sent []byte, reason string) {
			h := stage(ctx, pair)
			conn := h.data
			if meta {
				conn = h.meta
			}
			_, err := conn.Write(sent)
			Expect(err).NotTo(HaveOccurred())
			hungUp(conn)
			Eventually(milo1.Note).WithContext(ctx).WithTimeout(moment).Should(MatchRegexp(reason), "the status says why")
		},
		Entry("noise", meet, false, []byte("no packet at all"), "packet starts with 6e6f2070, want the magic"),
		Entry("noise on the meta socket", meet, true, []byte("no packet at all"), "packet starts with 6e6f2070"),
		Entry("a command that there is not", meet, false, announce(drbdwire.H100, 0x777, 0), "packet 0x0777 of 0 bytes"),
		Entry("a write before anything was agreed on", meet, false,
			packet(drbdwire.CmdData, make([]byte, drbdwire.DataSize+512)), "P_DATA came where the features were expected"),
		Entry("a write of 4 GiB", features, false, announce(drbdwire.H100, drbdwire.CmdData, 1<<32-1), "P_DATA for .* bytes, want"),
		Entry("a write on the meta socket", features, true,
			announce(drbdwire.H100, drbdwire.CmdData, 4096), "P_DATA of 4096 bytes does not belong on the meta socket"),
		Entry("a state before the protocol", features, false,
			packet(drbdwire.CmdState, make([]byte, 4)), "P_STATE came before P_PROTOCOL"),
		Entry("a bitmap of nothing", features, false,
			packet(drbdwire.CmdBitmap, make([]byte, 4096)), "P_BITMAP|bitmap"),
		Entry("sizes that are cut", features, false, announce(drbdwire.H100, drbdwire.CmdSizes, 31), "P_SIZES of 31 bytes, want 32"),
		Entry("another volume", features, false,
			drbdwire.AppendHeader(nil, drbdwire.H100, drbdwire.Header{Command: drbdwire.CmdUnplugRemote, Volume: 7}),
			"P_UNPLUG_REMOTE for volume 7, but only volume 0 is configured"),
		Entry("a write to a Primary", connected, false,
			packet(drbdwire.CmdData, append(drbdwire.Data{Sector: 8}.Append(nil), make([]byte, 512)...)),
			"P_DATA came, but this node is Primary itself"),
		Entry("a read behind the end", connected, false,
			packet(drbdwire.CmdDataRequest, drbdwire.BlockRequest{Sector: 1 << 40, Size: 4096}.Append(nil)),
			"sector 1099511627776 with 4096 bytes is not on this device"),
		Entry("a block behind the end for a resync", connected, false,
			packet(drbdwire.CmdRSDataRequest, drbdwire.BlockRequest{Sector: 1 << 41, Size: 4096}.Append(nil)),
			"sector 2199023255552 with 4096 bytes is not on this device"),
		Entry("an acknowledgement of nothing", connected, true,
			packet(drbdwire.CmdWriteAck, drbdwire.BlockAck{Sector: 8, Size: 4096}.Append(nil)), "P_WRITE_ACK .* was never sent"),
		Entry("the end of an epoch that never was", connected, true,
			packet(drbdwire.CmdBarrierAck, drbdwire.BarrierAck{SetSize: 7}.Append(nil)), "P_BARRIER_ACK for epoch 0 with 7 writes"),
	)

	DescribeTable("when connected, and has no meaning there, harms nothing",
		func(ctx SpecContext, meta bool, sent []byte) {
			h := connected(ctx, pair)
			conn := h.data
			if meta {
				conn = h.meta
			}
			_, err := conn.Write(append(sent, packet(drbdwire.CmdUnplugRemote, nil)...))
			Expect(err).NotTo(HaveOccurred())
			unharmed(ctx, milo1)
			_, _ = h.data.Close(), h.meta.Close()
		},
		Entry("a block of a resync that does not run", false,
			packet(drbdwire.CmdRSDataReply, append(drbdwire.Data{Sector: 8}.Append(nil), make([]byte, 4096)...))),
		Entry("a bitmap that nobody asked for", false, packet(drbdwire.CmdBitmap, make([]byte, 4096))),
		Entry("the name of a resync that does not run", false,
			packet(drbdwire.CmdSyncUUID, drbdwire.SyncUUID{UUID: 7}.Append(nil))),
		Entry("a state that there is not", false, packet(drbdwire.CmdState, bytes.Repeat([]byte{0xff}, 4))),
		Entry("a change of everything at once", false, packet(drbdwire.CmdStateChgReq, bytes.Repeat([]byte{0xff}, 8))),
		Entry("an answer to no question", true, packet(drbdwire.CmdStateChgReply, make([]byte, 4))),
		Entry("a disk of one sector", false, packet(drbdwire.CmdSizes, drbdwire.Sizes{Disk: 1}.Append(nil))),
		Entry("a new protocol", false, packet(drbdwire.CmdProtocol, drbdwire.Protocol{Wire: drbdwire.ProtocolC}.Append(nil))),
	)

	It("as a flood of pings that wants no answers takes no memory", func(ctx SpecContext) {
		h := features(ctx, pair)
		pings := bytes.Repeat(packet(drbdwire.CmdPing, nil), 4096)
		for sent := 0; sent < 32<<20; sent += len(pings) {
			if _, err := h.meta.Write(pings); err != nil {
				break // the handshake took too long: that is an answer too
			}
		}
		_ = h.meta.Close()
		_ = h.data.Close()
	}, limit)

	It("does not keep the peer out", func(ctx SpecContext) {
		pair.Milo2.CreateMD()
		pair.Milo2.Start(ctx)
		pair.InSync(ctx)
		Expect(pair.Different()).To(BeEmpty())
		pair.Milo2.Stop(ctx)
	}, limit)
})

var _ = Describe("What comes to the heartbeat port", Ordered, func() {
	var pair *local.Pair

	BeforeAll(func(ctx SpecContext) {
		pair = local.New(local.Options{Programs: programs, DiskSize: 2 << 20, Cluster: true})
		pair.Milo1.CreateMD()
		pair.Milo1.Start(ctx)
	}, limit)

	bad := func(ctx SpecContext) (uint64, error) {
		s, err := pair.Milo1.Status(ctx)
		if err != nil {
			return 0, err
		}
		return s.Cluster.BadPackets, nil
	}

	It("and is no heartbeat is dropped, counted and told about", func(ctx SpecContext) {
		conn := datagrams(pair)
		Eventually(func() (uint64, error) {
			_, _ = conn.Write([]byte("is anybody there?")) // refused until the port is open
			return bad(ctx)
		}).WithContext(ctx).WithTimeout(moment).Should(BeNumerically(">", 0), "the port is open")
		before, err := bad(ctx)
		Expect(err).NotTo(HaveOccurred())
		packets := [][]byte{
			{},
			{0},
			noise(60000), []byte(">>>\n"), []byte(">>>\nt=status\nst=active\n<<<\n"),
			[]byte("###\n5:t=status,%%%\n"), []byte("###\n999999999:t"), bytes.Repeat([]byte(">>>\n"), 4000),
			[]byte(">>>\nt=status\nst=active\ndt=7d0\nprotocol=1\nsrc=milo2\n(1)srcuuid=AAAA\nseq=1\nhg=1\nts=1\nauth=1 00000000\n<<<\n"),
		}
		for _, p := range packets {
			_, err := conn.Write(p)
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(bad).WithContext(ctx).WithTimeout(moment).Should(
			BeNumerically(">=", before+uint64(len(packets))), "all are looked at")
		Expect(pair.Milo1.Log).To(gbytes.Say("packet on lo dropped: "))
		unharmed(ctx, pair.Milo1)
	}, limit)

	It("as a flood takes no memory, and nobody is taken for the peer", func(ctx SpecContext) {
		conn := datagrams(pair)
		before, err := bad(ctx)
		Expect(err).NotTo(HaveOccurred())
		p := noise(8 << 10)
		for range 20000 {
			_, _ = conn.Write(p) // the socket may be full
		}
		Eventually(bad).WithContext(ctx).WithTimeout(moment).Should(BeNumerically(">", before), "some came through")
		unharmed(ctx, pair.Milo1)
		s, err := pair.Milo1.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Cluster.PeerPresent).To(BeFalse())
	}, limit)

	It("does not keep the peer from being heard", func(ctx SpecContext) {
		pair.Milo2.CreateMD()
		pair.Milo2.Start(ctx)
		Eventually(func() (bool, error) {
			s, err := pair.Milo1.Status(ctx)
			return err == nil && s.Cluster.PeerPresent, err
		}).WithContext(ctx).WithTimeout(moment).Should(BeTrue(), "milo2 sends heartbeats")
	}, limit)
})

// datagrams is a way to milo1's heartbeat port from milo2's address.
func datagrams(pair *local.Pair) net.Conn {
	GinkgoHelper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(pair.Milo2.Address)},
		&net.UDPAddr{IP: net.ParseIP(pair.Milo1.Address), Port: local.BeatPort})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	return conn
}

// noise is that many bytes that are nothing.
func noise(n int) []byte {
	b := make([]byte, 0, n+8)
	for r := rand.New(rand.NewPCG(1, 2)); len(b) < n; {
		b = binary.BigEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}
