package drbdwire_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestFramer(t *testing.T) {
	g := NewWithT(t)
	f := drbdwire.NewFramer(drbdwire.OnData)
	head := func(c drbdwire.Command, length uint32) []byte {
		return drbdwire.AppendHeader(nil, drbdwire.H100, drbdwire.Header{Command: c, Length: length})
	}
	_, fixed, bulk, err := f.Cut(head(drbdwire.CmdData, 24+4096))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]uint32{fixed, bulk}).To(Equal([]uint32{24, 4096}))

	f.Learn(drbdwire.CmdProtocol, drbdwire.Protocol{Wire: drbdwire.ProtocolC, IntegrityAlg: "sha1"}.Append(nil))
	_, fixed, bulk, err = f.Cut(head(drbdwire.CmdData, 24+20+4096))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]uint32{fixed, bulk}).To(Equal([]uint32{44, 4096}), "a digest belongs to the fixed part")

	f.Learn(drbdwire.CmdProtocolUpdate, drbdwire.Protocol{Wire: drbdwire.ProtocolC}.Append(nil))
	_, fixed, _, err = f.Cut(head(drbdwire.CmdData, 24+4096))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fixed).To(Equal(uint32(24)))

	_, _, _, err = f.Cut(head(drbdwire.CmdPing, 0))
	g.Expect(err).To(MatchError("P_PING of 0 bytes does not belong on the data socket"))
	_, _, _, err = f.Cut(head(drbdwire.CmdData, 24+4095))
	g.Expect(err).To(HaveOccurred())
	_, _, _, err = f.Cut([]byte("no packet at all"))
	g.Expect(err).To(HaveOccurred())
}
