package demo

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/optionc/pollux/daemon/driver/witness"
	"github.com/optionc/pollux/daemon/node"
)

// leaseFor is the lease of the demo: long enough for a busy machine to ask for
// it, and short enough to wait for its end.
const leaseFor = 12 * time.Second

// sites are the places of the split demo and the lines between them.
type sites struct {
	*demo

	between   *line    // replication and heartbeats
	toWitness [2]*line // of milo1, of milo2
	third     *exec.Cmd
}

// The addresses of the split demo. A node is not seen where it is: what others
// send to it, and what comes from it, passes a line.
var (
	seenA    = netip.MustParseAddr("127.0.2.1")
	seenB    = netip.MustParseAddr("127.0.2.2")
	arbiter  = netip.MustParseAddr("127.0.1.3")
	arbiterA = netip.MustParseAddr("127.0.3.1") // where milo1 sees the witness
	arbiterB = netip.MustParseAddr("127.0.3.2")
)

// connect makes the lines and the witness, and says what stands where in the
// files of each node.
func (s *sites) connect() (ofA, ofB []replacement, err error) {
	tcp, err := freePort("tcp")
	if err != nil {
		return nil, nil, err
	}
	udp, err := freePort("udp")
	if err != nil {
		return nil, nil, err
	}
	a, b := netip.MustParseAddr(s.a.address), netip.MustParseAddr(s.b.address)
	data, beat := uint16(tcp), uint16(udp) //nolint:gosec // ports
	at := netip.AddrPortFrom
	for _, open := range []func() error{
		func() error { return s.between.connections(at(seenA, data), seenB, at(a, data)) },
		func() error { return s.between.connections(at(seenB, data), seenA, at(b, data)) },
		func() error { return s.between.datagrams(at(seenA, beat), at(a, beat)) },
		func() error { return s.between.datagrams(at(seenB, beat), at(b, beat)) },
		func() error { return s.toWitness[0].connections(at(arbiterA, data), a, at(arbiter, data)) },
		func() error { return s.toWitness[1].connections(at(arbiterB, data), b, at(arbiter, data)) },
	} {
		if err := open(); err != nil {
			return nil, nil, err
		}
	}
	pin, err := s.startWitness(at(arbiter, data))
	if err != nil {
		return nil, nil, err
	}
	files := func(a, b, third netip.Addr) []replacement {
		return []replacement{
			{"drbd.conf", "192.168.0.1:7789", at(a, data).String(), "address"},
			{"drbd.conf", "192.168.0.2:7789", at(b, data).String(), "address"},
			{"drbd.conf", "/dev/sda3", s.a.disk, "disk"},
			{"drbd.conf", "/dev/hdd3", s.b.disk, "disk"},
			{"ha.cf", "keepalive 5", "keepalive 500ms", "timer"},
			{"ha.cf", "deadtime 90", fmt.Sprintf("deadtime 5\nudpport %d", beat), "timer; a port that needs no root"},
			{"ha.cf", "xen-br0 192.168.0.1", "lo " + a.String(), "address"},
			{"ha.cf", "xen-br0 192.168.0.2", "lo " + b.String(), "address"},
			{
				"ha.cf", "auto_failback on",
				fmt.Sprintf("auto_failback off\nwitness %s %s\nlease %d", at(third, data), pin, int(leaseFor.Seconds())),
				"who goes on keeps the group; the witness",
			},
		}
	}
	return files(a, seenB, arbiterA), files(seenA, b, arbiterB), nil
}

// startWitness runs a real pollux-witness that knows both nodes by their keys.
func (s *sites) startWitness(listen netip.AddrPort) (pin string, err error) {
	program, err := s.beside("pollux-witness")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, "witness")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var nodes []byte
	for _, h := range []*host{s.a, s.b} {
		if err := os.MkdirAll(h.stateDir(), 0o755); err != nil {
			return "", err
		}
		key, err := witness.LoadKey(filepath.Join(h.stateDir(), node.WitnessKey))
		if err != nil {
			return "", err
		}
		nodes = fmt.Appendf(nodes, "%s+%s %s %s\n", s.a.name, s.b.name, h.name, key.Pin)
	}
	if err := os.WriteFile(filepath.Join(dir, "nodes"), nodes, 0o600); err != nil {
		return "", err
	}
	key, err := witness.LoadKey(filepath.Join(dir, "key"))
	if err != nil {
		return "", err
	}
	logFile, err := os.Create(filepath.Join(dir, "pollux-witness.log"))
	if err != nil {
		return "", err
	}
	defer func() { _ = logFile.Close() }()
	s.third = exec.CommandContext(context.Background(), program, "run", "--key", filepath.Join(dir, "key"),
		"--nodes", filepath.Join(dir, "nodes"), "--listen", listen.String(), "--longest", leaseFor.String())
	s.third.Stderr = logFile
	s.third.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.third.Start(); err != nil {
		return "", err
	}
	s.say("pollux-witness started on %s; each node reaches it, and the other node, by a line of its own", listen)
	return key.Pin, nil
}

// cleanUp ends what the story has started beside the nodes.
func (s *sites) cleanUp() {
	for _, l := range []*line{s.between, s.toWitness[0], s.toWitness[1]} {
		l.end()
	}
	if s.third != nil && s.third.Process != nil {
		_ = s.third.Process.Kill()
		_ = s.third.Wait() // it was killed
	}
}
