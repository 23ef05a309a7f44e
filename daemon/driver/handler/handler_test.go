package handler_test

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/handler"
)

func set(run command.Runner) handler.Set {
	return handler.Set{
		Run: run,
		Commands: map[string]string{
			"fence-peer":  `echo "$DRBD_RESOURCE $DRBD_PEERS ${DRBD_VOLUME-none}"; exit 4`,
			"split-brain": `echo "$DRBD_MINOR $DRBD_VOLUME $DRBD_LL_DISK $DRBD_PEER_AF $DRBD_PEER_ADDRESS $DRBD_CONF"`,
		},
		Resource: handler.Resource{
			Name: "r1", Conf: "/etc/drbd.conf", Minor: "1", Volume: "0", Disk: "/dev/sda3", Family: "ipv4",
			Address: "192.168.0.2", Peers: []string{"milo2"},
		},
	}
}

func TestAHandlerIsToldWhatDrbdadmTells(t *testing.T) {
	for name, tc := range map[string]struct {
		exit int
		said string
	}{
		"fence-peer":  {4, "r1 milo2 none"},
		"split-brain": {0, "1 0 /dev/sda3 ipv4 192.168.0.2 /etc/drbd.conf"},
		"pri-lost":    {0, ""}, // is not configured
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			exit, said := set(command.Exec).Call(t.Context(), name)
			g.Expect(exit).To(Equal(tc.exit))
			g.Expect(said).To(Equal(tc.said))
		})
	}
}

func TestAHandlerThatDoesNotEndHasNoExitStatus(t *testing.T) {
	g := NewWithT(t)
	hangs := func(_ context.Context, p command.Program) (command.Result, error) {
		return command.Result{Code: -1, Stdout: []byte("asking\n")}, fmt.Errorf("%s: %w", p.Name, command.ErrKilled)
	}
	exit, said := set(hangs).Call(t.Context(), "fence-peer")
	g.Expect(exit).To(Equal(handler.NotRun))
	g.Expect(said).To(Equal("/bin/sh: killed before its end\nasking"))
}
