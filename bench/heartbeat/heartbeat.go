// Package heartbeat measures how long a failover takes beside the original: a pair of Heartbeats and a pair of polluxd,
// on the same machine, with the same files, in turns.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/optionc/pollux/qemu/machine"
)

// Conditions are what the times depend on.
const Conditions = "Two nodes in namespaces of this machine, joined by a switch in user space; keepalive 500ms, " +
	"deadtime 4, initdead 6, auto_failback on, sha1. A group of three scripts that take a moment each. Medians: of two " +
	"starts and two cuts, of ten moves and ten power losses. A gap is from the begin of the first stop to the begin of " +
	"the last start, or, after a cut, the time in which the first resource runs nowhere. By themselves: the same calls, " +
	"made by a shell. It needs root, and fetches Debian's package of Heartbeat."

// Times gives the table. The suite that meets a real Heartbeat makes it.
func Times(ctx context.Context, _ *machine.Owner, say func(string)) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout", "30m", "./e2e/heartbeatpeer", "-v", "-ginkgo.v",
		"-ginkgo.no-color", "-ginkgo.label-filter=bench")
	cmd.Env = append(os.Environ(), "POLLUX_E2E=1", "POLLUX_BENCH=1")
	said, err := cmd.CombinedOutput()
	if err != nil {
		say(string(said))
		return "", fmt.Errorf("suite e2e/heartbeatpeer: %w", err)
	}
	_, rest, begun := strings.Cut(string(said), "\n| event |")
	table, _, ended := strings.Cut(rest, "\nend of the table")
	if !begun || !ended {
		return "", errors.New("suite e2e/heartbeatpeer: it printed no table; it needs root")
	}
	return "| event |" + table + "\n", nil
}
