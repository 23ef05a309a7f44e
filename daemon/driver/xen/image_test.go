package xen_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
)

// volumeSize is that of a volume for a guest's memory, and memorySize what xl
// writes on it.
const (
	volumeSize = 64 << 10
	memorySize = 48 << 10
)

// volume answers like dd and blockdev.
func (h *host) volume(p command.Program) (command.Result, error) {
	if h.frozen {
		return command.Result{Code: -1}, fmt.Errorf("%s: %w", p, command.ErrStuck)
	}
	if p.Name == "blockdev" {
		info, err := os.Stat(p.Args[1])
		if err != nil {
			return command.Exited(p, 1, nil, []byte("blockdev: cannot open "+p.Args[1]+": No such file or directory"))
		}
		return command.Exited(p, 0, fmt.Appendln(nil, info.Size()), nil)
	}
	arg := map[string]string{}
	for _, word := range p.Args {
		name, value, _ := strings.Cut(word, "=")
		arg[name] = value
	}
	f, err := os.OpenFile(arg["of"]+arg["if"], os.O_RDWR, 0)
	h.Expect(err).NotTo(HaveOccurred())
	defer func() { h.Expect(f.Close()).To(Succeed()) }()
	block, err := strconv.Atoi(arg["seek"] + arg["skip"])
	h.Expect(err).NotTo(HaveOccurred())
	size, err := strconv.Atoi(arg["bs"])
	h.Expect(err).NotTo(HaveOccurred())
	at := int64(block) * int64(size)
	if arg["of"] != "" {
		h.Expect(p.Stdin).To(HaveLen(size))
		_, err = f.WriteAt(p.Stdin, at)
		h.Expect(err).NotTo(HaveOccurred())
		return command.Exited(p, 0, nil, nil)
	}
	out := make([]byte, size)
	_, err = f.ReadAt(out, at)
	h.Expect(err).NotTo(HaveOccurred())
	return command.Exited(p, 0, out, nil)
}

// save writes a guest's memory, as much as there is, and ends it.
func (h *host) save(p command.Program) (command.Result, error) {
	name := h.named(p.Args[1])
	f, err := os.OpenFile(p.Args[2], os.O_RDWR, 0)
	h.Expect(err).NotTo(HaveOccurred())
	_, err = f.Write(bytes.Repeat([]byte{'m'}, h.memory))
	h.Expect(errors.Join(err, f.Close())).To(Succeed())
	delete(h.domains, name)
	return h.answer(p, "save")
}

func (h *host) restore(p command.Program) (command.Result, error) {
	if h.creation != "" {
		return h.answer(p, "create-no-memory")
	}
	text, err := os.ReadFile(p.Args[1])
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(text[0]).To(Equal(byte('m')))
	h.Expect(string(text)).NotTo(ContainSubstring("image: "), "it is taken back before it is used")
	h.add("web1", "-b----")
	return h.answer(p, "restore")
}

// onSaving is a host where web1 runs, whose memory goes with it.
func onSaving(t *testing.T, test func(h *host, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.outside = t.TempDir() + "/"
		h.memory = memorySize
		h.image = h.outside + "memory"
		h.Expect(os.WriteFile(h.image, make([]byte, volumeSize), 0o600)).To(Succeed())
		h.configure("web1", fmt.Sprintf("name = \"web1\"\ndisk = [ 'phy:%sroot,xvda,w' ]\npollux_move = \"save\"\n"+
			"pollux_image = \"%s\"\n", h.outside, h.image))
		h.add("web1", "-b----")
		test(h, t.Context())
		h.Expect(h.warned).To(BeEmpty())
	})
}

func TestAGuestsMemoryGoesWithIt(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"save 1 memory", "restore memory"}))
		h.Expect(h.domains).To(HaveKey("web1"))

		delete(h.domains, "web1") // its host dies
		h.calls = nil
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"create web1"}), "memory is used once")
	})
}

func TestMemoryThatIsOldIsNotUsed(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		<-time.After(16 * time.Minute)
		h.calls = nil
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"create web1"}))
		h.Expect(h.warned).To(HaveExactElements(HaveSuffix("memory is 16m0s old")))
		h.warned = nil
	})
}

func TestAnotherGuestsMemoryIsNotUsed(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		text, err := os.ReadFile(h.image)
		h.Expect(err).NotTo(HaveOccurred())
		h.Expect(os.WriteFile(h.image, bytes.Replace(text, []byte("web1"), []byte("db01"), 1), 0o600)).To(Succeed())
		h.calls = nil
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"create web1"}))
		h.Expect(h.warned).To(HaveExactElements(ContainSubstring("has no image of guest web1: ")))
		h.warned = nil
	})
}

func TestMemoryThatCanNotBeRestoredIsLost(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.creation = "create"
		h.calls = nil
		h.Expect(h.guests().Start(ctx)).To(MatchError(ContainSubstring("the guest is gone")))
		h.Expect(h.calls).To(Equal([]string{"restore memory", "create web1"}))
		h.Expect(h.warned).To(HaveExactElements(And(HavePrefix("guest web1 starts afresh: "), ContainSubstring("Out of memory"))))
		h.warned = nil
	})
}

func TestMemoryThatDoesNotFitIsNotUsed(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.memory = volumeSize - 1
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.warned).To(HaveExactElements(HaveSuffix("its memory left no room on the volume; it starts afresh")))
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"save 1 memory", "shutdown -F 1", "create web1"}))
		h.warned = nil
	})
}

func TestAGuestWithoutItsVolumeIsShutDown(t *testing.T) {
	for name, spoil := range map[string]func(h *host){
		"it is not there": func(h *host) { h.Expect(os.Remove(h.image)).To(Succeed()) },
		"it is frozen":    func(h *host) { h.frozen = true },
		"it is tiny":      func(h *host) { h.Expect(os.Truncate(h.image, 4096)).To(Succeed()) },
	} {
		t.Run(name, func(t *testing.T) {
			onSaving(t, func(h *host, ctx context.Context) {
				spoil(h)
				h.Expect(h.guests().Stop(ctx)).To(Succeed())
				h.Expect(h.calls).To(Equal([]string{"shutdown -F 1"}))
				h.Expect(h.warned).To(HaveExactElements(HavePrefix("save guest web1: ")))
				h.warned = nil
			})
		})
	}
}

func TestWaysToMove(t *testing.T) {
	for lines, want := range map[string]string{
		"pollux_move = 'stop'":       "",
		"pollux_image = '/dev/vg/m'": "",
		"disk = ['phy:/dev/vg/web1,xvda,w']\npollux_move = 'save'\npollux_image = '/dev/vg/web1_memory'": "",
		"pollux_move = 'live'": `found pollux_move = "live", want "save" or "stop"`,
		"pollux_move = 'fast'": `want "save" or "stop"`,
		"pollux_move = 'save'": `found pollux_image = "", want a volume of the group that has the guest's disk`,
		"disk = ['phy:/dev/vg/web1,xvda,w']\npollux_move = 'save'\npollux_image = '/dev/other/web1'": "want a volume of the group",
	} {
		h := newHost(t)
		h.configure("web1", "name = \"web1\"\n"+lines+"\n")
		h.add("web1", "-b----")
		_, text, err := h.guests().Status(t.Context())
		h.Expect(err).NotTo(HaveOccurred())
		if want == "" {
			h.Expect(text).To(Equal("web1 running"), lines)
			continue
		}
		h.Expect(text).To(And(HavePrefix("web1 running; "+filepath.Join(h.dir, "web1")), ContainSubstring(want)), lines)
	}
}
