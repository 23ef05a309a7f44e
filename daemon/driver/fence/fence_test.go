package fence_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/fence"
)

func TestReset(t *testing.T) {
	file := filepath.Join(t.TempDir(), "device")
	NewWithT(t).Expect(os.WriteFile(file, []byte("# the switch\nip=10.0.0.9\nplug=3\n"), 0o600)).To(Succeed())
	for name, tc := range map[string]struct {
		device     fence.Device
		run, stdin string
	}{
		"a plugin with parameters": {
			fence.Device{Type: "external/ipmi", Args: []string{"milo2", "10.0.0.9", "root"}},
			"stonith -t external/ipmi -p 'milo2 10.0.0.9 root' -T reset milo2", "",
		},
		"a plugin with a file": {
			fence.Device{Type: "apcmaster", File: "/etc/ha.d/conf/stonith.apc"},
			"stonith -t apcmaster -F /etc/ha.d/conf/stonith.apc -T reset milo2", "",
		},
		"an agent": {
			fence.Device{Type: "fence_ipmilan", Args: []string{"ip=10.0.0.9", "username=root"}},
			"fence_ipmilan", "ip=10.0.0.9\nusername=root\naction=reboot\nport=milo2\nnodename=milo2\n",
		},
		"an agent that is told what to do": {
			fence.Device{Type: "fence_apc", Args: []string{"action=off"}, File: file},
			"fence_apc", "action=off\nip=10.0.0.9\nplug=3\nnodename=milo2\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tc.device.Run = func(_ context.Context, p command.Program) (command.Result, error) {
				g.Expect(p.String()).To(Equal(tc.run))
				g.Expect(string(p.Stdin)).To(Equal(tc.stdin))
				return command.Exited(p, 0, nil, nil)
			}
			g.Expect(tc.device.Reset(t.Context(), "milo2")).To(Succeed())
		})
	}
}

func TestADeviceThatFailsHasNotDoneIt(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	agent := filepath.Join(dir, "fence_switch")
	g.Expect(os.WriteFile(agent, []byte("#!/bin/sh\ngrep -q '^port=milo2$' || exit 9\necho 'no route to host' >&2\nexit 1\n"), 0o700)).
		To(Succeed())
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	d := fence.Device{Type: "fence_switch", Run: command.Exec}
	g.Expect(d.Reset(t.Context(), "milo2")).To(MatchError("fence milo2: fence_switch: exit status 1: no route to host"))
	d.Args = []string{"milo2"}
	g.Expect(d.Reset(t.Context(), "milo2")).To(MatchError(ContainSubstring("want NAME=VALUE")))
	d.Args, d.File = nil, filepath.Join(dir, "none")
	g.Expect(d.Reset(t.Context(), "milo2")).To(MatchError(os.ErrNotExist))
}
