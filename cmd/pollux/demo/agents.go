package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// The demo's stand-ins for the volume group and for Xen. They are called as
// Heartbeat calls its scripts: arguments, then the action. They stand in,
// because the demo's device is an NBD socket, which neither LVM nor Xen can
// open without a kernel module and root.

const volumeGroupScript = `#!/bin/sh
# Stand-in for LVM: the volume group is active if its mark is there. As with a
# real one, it can't be activated without its device.
vg=$1; action=$2
mark="%[1]s/$POLLUX_NODE/vg-$vg.active"
case $action in
start)  test -S "$POLLUX_NBD_r1" || { echo "no device for volume group $vg" >&2; exit 1; }
        : >"$mark" ;;
stop)   rm -f "$mark" ;;
status) if test -e "$mark"; then echo running; else echo stopped; fi ;;
esac
`

const guestScript = `#!/bin/sh
# Stand-in for xenHA: the guest is a process that writes numbered records to
# the exported device. It needs its volume group.
action=$1
pid="%[1]s/$POLLUX_NODE/guest.pid"
alive() { test -e "$pid" && kill -0 "$(cat "$pid")" 2>/dev/null; }
case $action in
start)  alive && exit 0
        test -e "%[1]s/$POLLUX_NODE/vg-vg.active" || { echo "the guest's volume group is not active" >&2; exit 1; }
        setsid "%[2]s" demo-guest --dir "%[1]s" --node "$POLLUX_NODE" --socket "$POLLUX_NBD_r1" \
          >>"%[1]s/$POLLUX_NODE/guest.log" 2>&1 </dev/null &
        echo $! >"$pid" ;;
stop)   alive || exit 0
        kill -TERM "$(cat "$pid")"
        # One whose disk does not answer can't shut down: it is destroyed.
        left=$((${POLLUX_STOP_WITHIN:-60} * 10)); while alive && [ $((left -= 1)) -gt 0 ]; do sleep 0.05; done
        alive && kill -KILL "$(cat "$pid")"
        while alive; do sleep 0.05; done ;;
status) if alive; then echo running; else echo stopped; fi ;;
esac
`

// writeAgents writes the stand-ins.
func (d *demo) writeAgents() error {
	d.say("LVM2 and Xen can't use an NBD socket: the demo's own scripts stand in for LVM::vg and xenHA")
	for name, text := range map[string]string{
		"LVM":   fmt.Sprintf(volumeGroupScript, d.dir),
		"xenHA": fmt.Sprintf(guestScript, d.dir, d.self),
	} {
		if err := os.WriteFile(filepath.Join(d.agents(), name), []byte(text), 0o755); err != nil { //nolint:gosec // run by the daemon
			return err
		}
	}
	return nil
}

func (d *demo) agents() string { return filepath.Join(d.dir, "agents") }
