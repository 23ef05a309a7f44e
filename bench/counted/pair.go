package counted

import (
	"context"
	"fmt"
	"strings"

	"github.com/optionc/pollux/qemu/machine"
)

// PairConditions are those of Pair besides Conditions.
const PairConditions = "Both nodes of a pair run in the machine and are connected over its loopback, once as two " +
	"resources of the kernel's DRBD 8.4, once as two polluxd of which the Primary has a block device (nbd); delay is " +
	"netem's, of each packet in both directions."

// connect are two resources of the kernel's DRBD, the first Primary. Their disks
// are empty, and so equal.
const connect = `set -e
for i in 0 1; do
  drbdmeta --force $i v08 /dev/nullb$i internal create-md </dev/null >/dev/null
  drbdsetup new-resource k$i
  drbdsetup new-minor k$i $((8+i)) 0
  drbdsetup attach $((8+i)) /dev/nullb$i /dev/nullb$i internal
done
drbdsetup connect k0 ipv4:127.0.1.1:7790 ipv4:127.0.1.2:7790 --protocol=%[1]s --ping-timeout=30 --timeout=90
drbdsetup connect k1 ipv4:127.0.1.2:7790 ipv4:127.0.1.1:7790 --protocol=%[1]s --ping-timeout=30 --timeout=90
reaches() {
  tries=0
  until grep -q "8: cs:Connected $1" /proc/drbd && grep -q "9: cs:Connected $2" /proc/drbd; do
    tries=$((tries + 1)); [ $tries -gt 600 ] && cat /proc/drbd >&2 && exit 1; usleep 100000
  done
}
both=ro:Secondary/Secondary
reaches $both $both
drbdsetup new-current-uuid 8 --clear-bitmap
drbdsetup primary 8
reaches 'ro:Primary/Secondary ds:UpToDate/UpToDate' 'ro:Secondary/Primary ds:UpToDate/UpToDate'
`

const disconnect = `set -e
drbdsetup secondary 8
drbdsetup down k0
drbdsetup down k1
rmmod drbd
`

var (
	delays = []int{0, 20, 80} // ms
	depths = []int{1, 32, 256}
)

// rows are the figures of one system by delay and depth.
type rows map[[2]int]Figure

// Pair compares a pair of polluxd with a pair of the kernel's DRBD. The result
// is a table in Markdown.
func Pair(ctx context.Context, owner *machine.Owner, say func(string)) (string, error) {
	h, err := boot(ctx, owner, say)
	if err != nil {
		return "", err
	}
	defer h.vm.Kill()
	var table strings.Builder
	table.WriteString("| protocol | delay, ms | depth | DRBD, writes/s | pollux, writes/s | ratio | DRBD, instructions | pollux, instructions |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for _, protocol := range []string{"C", "A"} {
		say("the kernel's DRBD, protocol " + protocol)
		theirs, err := h.kernelPair(ctx, protocol)
		if err != nil {
			return "", err
		}
		say("pollux, protocol " + protocol)
		ours, err := h.polluxPair(ctx, protocol)
		if err != nil {
			return "", err
		}
		for _, delay := range delays {
			for _, depth := range depths {
				k, p := theirs[[2]int{delay, depth}], ours[[2]int{delay, depth}]
				fmt.Fprintf(&table, "| %s | %d | %d | %.0f | %.0f | **%.2f** | %.0f | %.0f |\n", protocol, delay, depth,
					k.IOPS(), p.IOPS(), p.IOPS()/k.IOPS(), k.Instructions(), p.Instructions())
			}
		}
	}
	return table.String(), nil
}

func (h *host) kernelPair(ctx context.Context, protocol string) (rows, error) {
	if err := h.shell(ctx, "modprobe drbd && "+fmt.Sprintf(connect, protocol)); err != nil {
		return nil, err
	}
	r, err := h.delayed(ctx, "/dev/drbd8")
	if err != nil {
		return nil, err
	}
	return r, h.shell(ctx, disconnect)
}

func (h *host) polluxPair(ctx context.Context, protocol string) (rows, error) {
	if err := h.vm.Put(ctx, "/etc/drbd.conf", fmt.Appendf(nil, config, protocol), 0o644); err != nil {
		return nil, err
	}
	one := &engine{h: h, name: "milo1", frontend: "kernel"}
	two := &engine{h: h, name: "milo2", frontend: "nbd-socket"}
	for _, e := range []*engine{one, two} {
		if err := e.start(ctx); err != nil {
			return nil, err
		}
	}
	if err := one.pollux(ctx, "primary --force r1"); err != nil {
		return nil, err
	}
	if err := one.reaches(ctx, `"peer-disk": "UpToDate"`); err != nil {
		return nil, err
	}
	r, err := h.delayed(ctx, "/dev/drbd1")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, tail(one.daemon.Stderr()))
	}
	if err := one.stop(ctx); err != nil {
		return nil, err
	}
	return r, two.stop(ctx)
}

// delayed writes to a device with each delay of the loopback, at each depth.
func (h *host) delayed(ctx context.Context, device string) (rows, error) {
	r := rows{}
	for _, delay := range delays {
		script := "tc qdisc del dev lo root 2>/dev/null; true"
		if delay > 0 {
			script = fmt.Sprintf("tc qdisc replace dev lo root netem delay %dms limit 100000", delay)
		}
		if err := h.shell(ctx, script); err != nil {
			return nil, err
		}
		for _, depth := range depths {
			var err error
			if r[[2]int{delay, depth}], err = h.load(ctx, device, depth); err != nil {
				return nil, err
			}
		}
	}
	return r, h.shell(ctx, "tc qdisc del dev lo root 2>/dev/null; true")
}
