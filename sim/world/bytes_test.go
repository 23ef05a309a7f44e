package world

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A stream that is cut at any two bytes gives the packets that were put in.
func TestStreamsCutAnywhere(t *testing.T) {
	g := NewWithT(t)
	head := func(c drbdwire.Command, length uint32) []byte {
		return drbdwire.AppendHeader(nil, drbdwire.H100, drbdwire.Header{Command: c, Length: length})
	}
	rows := [][]uint64{{7, 0, ^uint64(0)}, {1 << 60}}
	stream := append(head(drbdwire.CmdBarrier, 8), "12345678"...)
	for _, row := range rows {
		stream = append(stream, head(drbdwire.CmdData, uint32(24+len(row)*sectorSize))...)
		stream = appendSectors(append(stream, make([]byte, 24)...), row)
	}
	for first := range stream {
		second := first + (len(stream)-first)/2
		var e end
		e.open()
		in := &e.in[replica.DataSocket]
		var got []segment
		var slab Slab[uint64]
		for _, piece := range [][]byte{stream[:first], stream[first:second], stream[second:]} {
			b := append(in.rest, piece...)
			for {
				packet, size, err := in.cut(b, &slab)
				g.Expect(err).NotTo(HaveOccurred())
				if size == 0 {
					break
				}
				b = b[size:]
				got = append(got, packet)
			}
			in.rest = append([]byte(nil), b...)
		}
		g.Expect(got).To(HaveLen(3), "cut at %d and %d", first, second)
		g.Expect(got[0].data).To(Equal([]byte("12345678")))
		g.Expect(got[1].row).To(Equal(rows[0]))
		g.Expect(got[2].row).To(Equal(rows[1]))
	}
}

func TestSectorsThatNobodyWrote(t *testing.T) {
	g := NewWithT(t)
	good := appendSectors(nil, []uint64{5, 6})
	row := make([]uint64, 2)
	g.Expect(decodeSectors(row, good)).To(Succeed())
	g.Expect(row).To(Equal([]uint64{5, 6}))
	for _, at := range []int{0, 8, 511, 512, 1023} {
		bad := append([]byte(nil), good...)
		bad[at] ^= 1
		g.Expect(decodeSectors(row, bad)).NotTo(Succeed(), "byte %d", at)
	}
	g.Expect(decodeSectors(row, append(good[8:], good[:8]...))).NotTo(Succeed(), "shifted by a word")
}
