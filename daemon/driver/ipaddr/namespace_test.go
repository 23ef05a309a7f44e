package ipaddr_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/ipaddr"
)

// inNamespace gives the test a network of its own: two interfaces with a cable
// between them. The thread dies with it.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network of its own")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip of the package iproute2")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("this machine allows no network namespaces: %v", err)
	}
	for _, line := range []string{
		"link add here type veth peer name there", "link set here up", "link set there up",
		"addr add 192.168.77.1/24 dev here", "addr add 2001:db8:77::1/64 dev here nodad",
	} {
		ip(t, line)
	}
}

func ip(t *testing.T, line string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// listen hears all that arrives at the cable's other end.
func listen(t *testing.T, protocol uint16) int {
	t.Helper()
	g := NewWithT(t)
	network := protocol<<8 | protocol>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(network))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60})).To(Succeed())
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// heard waits for a packet that has part in it.
func heard(g Gomega, fd int, part string) {
	b := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		g.Expect(err).NotTo(HaveOccurred())
		if strings.Contains(string(b[:n]), part) {
			return
		}
	}
}

func TestAnAddressMovesAndIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		word     string
		protocol uint16
		told     string // sender and target of ARP; type, flags and target of ICMPv6
	}{
		"IPv4, network and interface found": {"192.168.77.9", unix.ETH_P_ARP, "\xc0\xa8\x4d\x09\x00\x00\x00\x00\x00\x00\xc0\xa8\x4d\x09"},
		"IPv4, all given":                   {"192.168.77.9/32/here:1/192.168.77.255", unix.ETH_P_ARP, "\xc0\xa8\x4d\x09"},
		"IPv6":                              {"2001:db8:77::9", unix.ETH_P_IPV6, "\x20\x00\x00\x00\x20\x01\x0d\xb8\x00\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09"},
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			g := NewWithT(t)
			a, err := ipaddr.Parse([]string{tc.word})
			g.Expect(err).NotTo(HaveOccurred())
			a.Run, a.Tells = command.Exec, 1
			status := func() failover.State {
				state, _, err := a.Status(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				return state
			}
			fd := listen(t, tc.protocol)
			g.Expect(a.Stop(t.Context())).To(Succeed(), "it is stopped already")
			g.Expect(status()).To(Equal(failover.Stopped))
			g.Expect(a.Start(t.Context())).To(Succeed())
			g.Expect(status()).To(Equal(failover.Running))
			heard(g, fd, tc.told)
			g.Expect(a.Start(t.Context())).To(Succeed(), "it is there already, and told again")
			heard(g, fd, tc.told)
			g.Expect(a.Stop(t.Context())).To(Succeed())
			g.Expect(status()).To(Equal(failover.Stopped))
		})
	}
}

func TestAnAddressWithoutANetworkIsRefused(t *testing.T) {
	g := NewWithT(t)
	a, err := ipaddr.Parse([]string{"203.0.113.77"})
	g.Expect(err).NotTo(HaveOccurred())
	a.Run = func(context.Context, command.Program) (command.Result, error) { panic("nothing is to be changed") }
	g.Expect(a.Start(t.Context())).To(MatchError(ContainSubstring("write 203.0.113.77/MASKLEN/INTERFACE")))
}
