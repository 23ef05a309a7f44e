package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Accel is how QEMU runs a machine's processor.
type Accel struct {
	Name      string // "kvm" or "tcg"
	qemu      string // the value of -accel
	linuxArgs []string
}

// counted emulates a processor whose clock is the number of its instructions.
var counted = Accel{
	Name: "tcg", qemu: "tcg,thread=single",
	linuxArgs: []string{"tsc=reliable", "tsc_early_khz=1000000"},
}

// probe is how long a kernel may take to boot with KVM before it counts as not
// working. There it takes a second.
const probe = 20 * time.Second

var accelerator struct {
	sync.Mutex
	found *Accel
}

// Accelerator is the fastest that works here. /dev/kvm proves nothing: where it
// is nested it may open, and then run no kernel. So one is booted, once in the
// life of the process.
func Accelerator(ctx context.Context, kernel string) (Accel, error) {
	accelerator.Lock()
	defer accelerator.Unlock()
	if accelerator.found == nil {
		a := Accel{Name: "kvm", qemu: "kvm"}
		if !bootsWithKVM(ctx, kernel) {
			a = Accel{Name: "tcg", qemu: "tcg,thread=multi,tb-size=128"}
			// A kernel that measures an emulated clock while this machine is busy
			// gets it wrong, up to 60 times: then every timer fires too early.
			if khz := clockRate(); khz > 0 {
				a.linuxArgs = []string{"tsc=reliable", fmt.Sprintf("tsc_early_khz=%d", khz)}
			}
		}
		if ctx.Err() != nil {
			return Accel{}, context.Cause(ctx)
		}
		accelerator.found = &a
	}
	return *accelerator.found, nil
}

// cpu is the processor that a machine sees. Xen's dom0 crashes on newer ones
// when they are emulated. QEMU 7.2 emulates cmpxchg16b wrongly: if an interrupt
// comes right after it, the flags are those of an operand of an earlier
// instruction, with bits among them that stop the kernel. Linux allocates memory
// with it, and does without it on a processor that has none.
func (a Accel) cpu(xen bool) string {
	switch {
	case a.Name == "kvm":
		return "host"
	case xen:
		return "qemu64,-cx16"
	default:
		return "max,-cx16"
	}
}

// bootsWithKVM boots the kernel without any file system: it prints its version,
// finds no root, panics, and QEMU ends.
func bootsWithKVM(ctx context.Context, kernel string) bool {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return false
	}
	dir, err := os.MkdirTemp("", "pollux-kvm")
	if err != nil {
		return false
	}
	defer func() { _ = os.RemoveAll(dir) }()
	console := filepath.Join(dir, "console")
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	cmd := exec.CommandContext(ctx, "setpriv", "--pdeathsig", "KILL", "--", "qemu-system-x86_64", "-accel", "kvm",
		"-machine", "q35", "-cpu", "host", "-m", "128", "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "file:"+console, "-kernel", kernel, "-append", "console=ttyS0 panic=-1")
	if err := cmd.Run(); err != nil {
		return false
	}
	text, err := os.ReadFile(console)
	return err == nil && strings.Contains(string(text), "Kernel panic")
}
