package replica_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// What two kernels said about blocks, recorded: kind, sector, size, and the
// digest or what it came to. Two pollux nodes with the same data must say the
// same. See the README beside the recordings.
const recordings = "../../format/drbdwire/testdata/drbd84/"

// spoken gives what was said of those kinds in one recording of a file.
func spoken(file, recording string, kinds ...string) (said []string) {
	text, err := os.ReadFile(recordings + file)
	Expect(err).NotTo(HaveOccurred())
	line := regexp.MustCompile(`(data|meta) (\w+) h16 vol=0 len=\d+ sector=(\d+).*?(?:blksize|bytes)=(\d+)`)
	tail := regexp.MustCompile(`digest=(\w+)|\((in sync|OUT OF SYNC)\)`)
	_, packets, _ := strings.Cut(string(text), "== packets of "+recording)
	packets, _, _ = strings.Cut(packets, "\n== ")
	for l := range strings.Lines(packets) {
		m := line.FindStringSubmatch(l)
		if m == nil || !slices.Contains(kinds, m[2]) {
			continue
		}
		detail := ""
		if t := tail.FindStringSubmatch(l); t != nil {
			detail = strings.ToLower(t[1] + t[2])
		}
		said = append(said, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", m[2], m[3], m[4], detail)))
	}
	Expect(said).NotTo(BeEmpty())
	return said
}

// said puts a packet of a pollux node into the same words.
func said(cmd drbdwire.Command, data []byte, bulk uint32) string {
	name := strings.TrimPrefix(cmd.String(), "P_")
	switch cmd {
	case drbdwire.CmdCsumRSRequest, drbdwire.CmdOVReply, drbdwire.CmdOVRequest:
		b, err := drbdwire.DecodeBlockRequest(data)
		Expect(err).NotTo(HaveOccurred())
		sum := hex.EncodeToString(data[drbdwire.BlockRequestSize:])
		return strings.TrimSpace(fmt.Sprintf("%s %d %d %s", name, b.Sector, b.Size, sum))
	case drbdwire.CmdRSDataReply:
		d, err := drbdwire.DecodeData(data)
		Expect(err).NotTo(HaveOccurred())
		return fmt.Sprintf("%s %d %d", name, d.Sector, bulk)
	case drbdwire.CmdOVResult, drbdwire.CmdRSIsInSync, drbdwire.CmdRSWriteAck:
		a, err := drbdwire.DecodeBlockAck(data)
		Expect(err).NotTo(HaveOccurred())
		result := map[drbdwire.BlockID]string{
			drbdwire.VerifiedInSync(): "in sync", drbdwire.VerifiedOutOfSync(): "out of sync",
		}[a.ID]
		return strings.TrimSpace(fmt.Sprintf("%s %d %d %s", name, a.Sector, a.Size, result))
	default:
		return ""
	}
}

// block is a block of 4 KiB as the recordings have them.
func block(tag string, number int) []byte {
	text := fmt.Sprintf("%s block %06d ", tag, number)
	return []byte(strings.Repeat(text, 4096/len(text)+1))[:4096]
}

func (e *end) fill(tag string, first, count int) {
	for i := first; i < first+count; i++ {
		copy(e.disk[i*4096:], block(tag, i))
	}
}

var _ = Describe("As two kernels with the same data", func() {
	var p *pair
	var heard []string

	// begin makes a pair with a device as large as the recorded one.
	begin := func(size uint64, change func(*replica.Config)) {
		heard = nil
		p = synced(change, func(c *replica.Config) { c.UserSize = size })
		for _, e := range []*end{p.a, p.b} {
			clear(e.data())
			e.tap = func(cmd drbdwire.Command, data []byte, bulk uint32) {
				if text := said(cmd, data, bulk); text != "" {
					heard = append(heard, text)
				}
			}
		}
	}

	It("two pollux nodes compare by checksum, and send the rest (c11)", func() {
		begin(16304, withCsums)
		for _, e := range []*end{p.a, p.b} {
			e.fill("same", 0, 16)
			e.fill("same", 64, 16)
			e.fill("same", 500, 1)
		}
		p.part()
		for _, w := range []struct {
			tag          string
			first, count int
		}{{"same", 0, 16}, {"changed", 64, 8}, {"same", 500, 1}, {"changed", 900, 1}} {
			for i := w.first; i < w.first+w.count; i++ {
				p.a.step(replica.Input{
					Kind: replica.Request, Op: replica.OpWrite, ID: uint64(i) + 1, Sector: uint64(i) * 8, Size: 4096,
					Buf: p.a.payload(block(w.tag, i)),
				})
			}
		}
		p.run()
		p.join()
		expectSynced(p)
		Expect(heard).To(ConsistOf(spoken("c11-csums-resync.txt", "c11-csums-resync.pcap.gz",
			"CSUM_RS_REQUEST", "RS_IS_IN_SYNC", "RS_DATA_REPLY", "RS_WRITE_ACK")))
	})

	for recording, primaryDrives := range map[string]bool{
		"c12-online-verify.pcap.gz": true, "c12-online-verify.secondaries.pcap.gz": false,
	} {
		It("two pollux nodes verify online ("+recording+")", func() {
			begin(1968, withVerify)
			for _, e := range []*end{p.a, p.b} {
				e.fill("good", 10, 4)
			}
			// What was planted is known by its digests alone.
			planted := map[uint64]bool{88: true, 1600: true}
			for sector := range planted {
				p.b.disk[sector*512+1024]++
			}
			driver := p.b
			if primaryDrives {
				driver = p.a
			}
			Expect(driver.verify(0, 0).Code).To(Equal(drbdwire.Success))
			words := func(list []string) map[string]bool {
				set := map[string]bool{}
				for _, text := range list {
					fields := strings.Fields(text)
					sector, err := strconv.ParseUint(fields[1], 10, 64)
					Expect(err).NotTo(HaveOccurred())
					if fields[0] == "OV_REPLY" && planted[sector] {
						text = strings.Join(fields[:3], " ")
					}
					set[text] = true // a pollux node looks again at what differs
				}
				return set
			}
			Expect(words(heard)).To(Equal(words(spoken("c12-online-verify.txt", recording,
				"OV_REQUEST", "OV_REPLY", "OV_RESULT"))))
			Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(8)))
			Expect(p.b.core.Status().OutOfSync).To(Equal(uint64(8)))
		})
	}
})
