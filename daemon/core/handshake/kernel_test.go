package handshake_test

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

//go:embed testdata/kernel.txt
var kernelDecisions string

// TestKernelDecisions compares with what kernels decided. The disk that is
// being attached is UpToDate as found, and the peer sees it as Consistent.
func TestKernelDecisions(t *testing.T) {
	for number, line := range strings.Split(strings.TrimSpace(kernelDecisions), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, " | ")
		own, peer, policies := strings.Fields(parts[0]), strings.Fields(parts[1]), strings.Split(parts[2], ",")
		want, after := parts[3], strings.Fields(parts[4])
		t.Run(fmt.Sprintf("%s line %d", own[0], number+1), func(t *testing.T) {
			g := NewWithT(t)
			in := handshake.Input{
				Own: kernelSide(t, own[1:], drbdwire.UpToDate), Peer: kernelSide(t, peer, drbdwire.Consistent),
				AfterSB0: policy(t, policies[0]), AfterSB1: policy(t, policies[1]), AfterSB2: policy(t, policies[2]),
			}
			in.Own.Resolve = own[6] == "yes"
			in.Peer.Resolve = own[6] == "no"
			v := handshake.Compare(in.Own, in.Peer)
			g.Expect(fmt.Sprint(v.Result, v.Rule)).To(Equal(want))

			d := handshake.Decide(in)
			handlers := "-"
			if len(d.Handlers) > 0 {
				handlers = strings.Join(d.Handlers, ",")
			}
			g.Expect(handlers).To(Equal(after[2]))
			g.Expect(d.GiveUp).To(Equal(after[0] == "Disconnecting"), d.Text)
			if !d.GiveUp {
				g.Expect(d.Conn.String()).To(Equal(after[0]), d.Text)
				g.Expect(d.FullSync).To(Equal(after[1] == "full"), d.Text)
			}
		})
	}
}

// kernelSide reads UUIDs, dirty blocks, flags, role and disk.
func kernelSide(t *testing.T, fields []string, found drbdwire.DiskState) handshake.Side {
	t.Helper()
	g := NewWithT(t)
	s := handshake.Side{Features: wsame, Found: found}
	for i, value := range strings.Split(fields[0], ":") {
		n, err := strconv.ParseUint(value, 16, 64)
		g.Expect(err).NotTo(HaveOccurred())
		*[]*uint64{&s.UUIDs.Current, &s.UUIDs.Bitmap, &s.UUIDs.History0, &s.UUIDs.History1}[i] = n
	}
	var err error
	s.Dirty, err = strconv.ParseUint(fields[1], 10, 64)
	g.Expect(err).NotTo(HaveOccurred())
	flags, err := strconv.ParseUint(fields[2], 10, 64)
	g.Expect(err).NotTo(HaveOccurred())
	s.DiscardMyData = drbdwire.UUIDFlags(flags)&drbdwire.UUIDDiscardMyData != 0
	s.CrashedPrimary = drbdwire.UUIDFlags(flags)&drbdwire.UUIDCrashedPrimary != 0
	for role := drbdwire.RoleUnknown; role <= drbdwire.Secondary; role++ {
		if role.String() == fields[3] {
			s.Role = role
		}
	}
	for disk := drbdwire.Diskless; disk <= drbdwire.UpToDate; disk++ {
		if disk.String() == fields[4] {
			s.Disk = disk
		}
	}
	return s
}

func policy(t *testing.T, number string) drbdwire.AfterSB {
	t.Helper()
	n, err := strconv.ParseUint(number, 10, 32)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return drbdwire.AfterSB(n)
}
