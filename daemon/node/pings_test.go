package node_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/pingnode"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

func TestPingNodesAreMembersThatAnswer(t *testing.T) {
	g := NewWithT(t)
	if _, err := pingnode.Open(pingnode.Config{Media: []haconf.Medium{{Kind: haconf.Ping, Address: "127.0.0.1"}}}); err != nil {
		t.Skipf("run as root, or with net.ipv4.ping_group_range, to ping: %v", err)
	}
	dir := t.TempDir()
	g.Expect(os.Mkdir(filepath.Join(dir, "ha.d"), 0o700)).To(Succeed())
	address := netip.MustParseAddrPort(freeAddress(t))
	for name, text := range map[string]string{
		"ha.cf": fmt.Sprintf("keepalive 100ms\ndeadtime 30\nudpport %d\nucast lo 127.0.0.1\nnode milo1 milo2\n"+
			"auto_failback on\nping 127.0.0.1\nping_group gates 127.0.0.2 127.0.0.3\n", address.Port()),
		"haresources": "milo1 Nothing\n",
		"authkeys":    "auth 1\n1 sha1 secret\n",
	} {
		g.Expect(os.WriteFile(filepath.Join(dir, "ha.d", name), []byte(text), 0o600)).To(Succeed())
	}
	agents := filepath.Join(dir, "agents")
	g.Expect(os.Mkdir(agents, 0o700)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(agents, "Nothing"), []byte("#!/bin/sh\n"), 0o700)).To(Succeed()) //nolint:gosec // it is run
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	n, err := node.New(site, node.Options{
		StateDir: filepath.Join(dir, "state"), RunDir: filepath.Join(dir, "run"), Agents: agents, Bind: address.Addr(),
	})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	members := func() []node.Member { return n.Status().Cluster.Nodes }
	up := func(name string) node.Member {
		return node.Member{
			Name: name, Type: node.TypePing, State: "ping", Links: []node.LinkStatus{{Medium: name, Up: true}},
		}
	}
	g.Eventually(members).WithTimeout(patience).Should(HaveExactElements(
		HaveField("Name", "milo1"), HaveField("Name", "milo2"), up("127.0.0.1"), up("gates")))
	stop()
	g.Expect(<-ended).To(Succeed())
}
