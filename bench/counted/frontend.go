package counted

import (
	"context"
	"fmt"
	"strings"

	"github.com/optionc/pollux/qemu/machine"
)

// config is a pair in one machine.
const config = `
resource r1 {
  protocol %s;
  net { ping-timeout 30; timeout 90; }
  on milo1 { device /dev/drbd1; disk /dev/nullb0; address 127.0.1.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1; disk /dev/nullb1; address 127.0.1.2:7789; meta-disk internal; }
}
`

// FrontEnd compares the kernel's nbd device of a resource without a peer with
// the disk below it. The result is a table in Markdown.
func FrontEnd(ctx context.Context, owner *machine.Owner, say func(string)) (string, error) {
	h, err := boot(ctx, owner, say)
	if err != nil {
		return "", err
	}
	defer h.vm.Kill()
	if err := h.vm.Put(ctx, "/etc/drbd.conf", fmt.Appendf(nil, config, "C"), 0o644); err != nil {
		return "", err
	}
	e := &engine{h: h, name: "milo1", frontend: "kernel"}
	if err := e.start(ctx); err != nil {
		return "", err
	}
	if err := e.pollux(ctx, "primary --force r1"); err != nil {
		return "", err
	}
	var table strings.Builder
	table.WriteString("| depth | disk, writes/s | device, writes/s | ratio | aim | disk, instructions | device, instructions |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, row := range []struct {
		depth int
		aim   float64
	}{{1, 0.50}, {32, 0.12}} {
		raw, err := h.load(ctx, "/dev/nullb2", row.depth)
		if err != nil {
			return "", err
		}
		device, err := h.load(ctx, "/dev/drbd1", row.depth)
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, tail(e.daemon.Stderr()))
		}
		fmt.Fprintf(&table, "| %d | %.0f | %.0f | **%.2f** | %.2f | %.0f | %.0f |\n", row.depth, raw.IOPS(), device.IOPS(),
			device.IOPS()/raw.IOPS(), row.aim, raw.Instructions(), device.Instructions())
	}
	return table.String(), nil
}
