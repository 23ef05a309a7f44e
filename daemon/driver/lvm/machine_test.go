package lvm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// nothing is what lvs 2.03.16 prints when it sees no volumes.
const nothing = "  {\n      \"report\": [\n          {\n              \"lv\": [\n              ]\n          }\n      ]\n  }\n"

// A machine answers like LVM on a host with the group my_vg and its volume
// test_lv, in what the recordings say of each state.
type machine struct {
	visible bool // the device is there and Primary
	active  bool
	open    bool
	broken  string
	pvs     string // the recording that pvs answers with; "" shows none
	root    string
	calls   []string
	scopes  []string
}

func newMachine() *machine {
	m := &machine{visible: true, root: GinkgoT().TempDir()}
	m.write("sys/block/sda/size", "8\n")
	return m
}

func (m *machine) group() lvm.Group {
	return lvm.Group{Name: "my_vg", Devices: []string{"/dev/drbd1"}, Run: m.run, Root: m.root}
}

func (m *machine) write(path, text string) {
	path = filepath.Join(m.root, path)
	ExpectWithOffset(1, os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	ExpectWithOffset(1, os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}

func (m *machine) run(_ context.Context, p command.Program) (command.Result, error) {
	if p.Name == "xl" {
		return m.answer(p, "xl-list")
	}
	if p.Name == "dmsetup" {
		m.calls = append(m.calls, p.String())
		Expect(os.RemoveAll(filepath.Join(m.root, "sys/block/dm-0"))).To(Succeed())
		return command.Exited(p, 0, nil, nil)
	}
	if len(p.Args) < 2 || p.Args[0] != "--config" {
		return command.Result{}, fmt.Errorf("%s sees all devices", p)
	}
	m.scopes = append(m.scopes, p.Args[1])
	call := strings.Join(append([]string{p.Name}, p.Args[2:]...), " ")
	m.calls = append(m.calls, call)
	if m.broken != "" {
		return m.answer(p, m.broken)
	}
	switch {
	case strings.HasPrefix(call, "lvs") && !m.visible:
		return command.Exited(p, 0, []byte(nothing), nil)
	case strings.HasPrefix(call, "lvs"):
		return m.answer(p, m.pick("lvs-open-json", "lvs-active-json", "lvs-inactive-json"))
	case strings.HasPrefix(call, "pvs") && m.pvs != "":
		return m.answer(p, m.pvs)
	case strings.HasPrefix(call, "pvs"):
		return command.Exited(p, 0, []byte(strings.Replace(nothing, "lv", "pv", 1)), nil)
	case call == "vgscan" && m.visible:
		return m.answer(p, "vgscan-after-primary")
	case call == "vgscan":
		return m.answer(p, "vgscan-secondary-filtered")
	case call == "vgchange -aey my_vg" && !m.visible:
		return m.answer(p, "vgchange-ay-secondary-filtered")
	case call == "vgchange -aey my_vg":
		answer := m.pick("vgchange-ay-already", "vgchange-ay-already", "vgchange-ay")
		m.active = true
		return m.answer(p, answer)
	case call == "vgchange -an my_vg" && !m.visible:
		return m.answer(p, "vgchange-an-unknown")
	case call == "vgchange -an my_vg":
		answer := m.pick("vgchange-an-open", "vgchange-an", "vgchange-an-already")
		if m.active = m.active && m.open; !m.active {
			Expect(os.RemoveAll(filepath.Join(m.root, "sys/block/dm-0"))).To(Succeed())
		}
		return m.answer(p, answer)
	default:
		return command.Result{}, fmt.Errorf("no recording of %s", p)
	}
}

func (m *machine) pick(open, active, inactive string) string {
	switch {
	case m.open:
		return open
	case m.active:
		return active
	default:
		return inactive
	}
}

func (m *machine) answer(p command.Program, recording string) (command.Result, error) {
	rec, err := recorded.Load(filepath.Join("testdata", recording+".txt"))
	Expect(err).NotTo(HaveOccurred())
	return rec.Answer(p)
}
