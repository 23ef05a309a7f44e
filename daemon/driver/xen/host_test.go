package xen_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// A host answers like xl on a Xen host, with virtual time.
type host struct {
	*WithT
	dir     string
	outside string // the directory of other guests' files
	mu      sync.Mutex
	domains map[string]domain
	next    int
	calls   []string
	// free is Xen's free memory in MiB; 0 is that of the recording.
	free int
	// commandLine is Xen's; "" is that of the recording.
	commandLine string
	// busy is how many creations are under way, and mostBusy how many there were.
	busy, mostBusy int
	// deaf guests ignore a shutdown, immortal ones even their destruction.
	deaf, immortal bool
	// unwatched guests stay, shut down, for nobody destroys their domains.
	unwatched bool
	// creation is the recording of what xl create does, if it fails.
	creation string
	// hangs: xenstored is dead.
	hangs bool
	// image is the volume for web1's memory, memory how many bytes that has; frozen:
	// no program gets to the volume.
	image  string
	memory int
	frozen bool
	warned []string
	seen   xen.Seen
}

type domain struct {
	id     int
	state  string
	ending time.Time
}

// shutdownTime is how long a guest takes to shut down, createTime how long xl
// takes to create one.
const (
	shutdownTime = 3 * time.Second
	createTime   = time.Second
)

func newHost(t *testing.T, guests ...string) *host {
	t.Helper()
	h := &host{WithT: NewWithT(t), dir: t.TempDir(), domains: map[string]domain{}, next: 1, free: 1000}
	for _, name := range guests {
		h.configure(name+".cfg", "# a guest\nname = \""+name+"\"\nmemory = 96\n")
	}
	return h
}

func (h *host) guests() xen.Guests {
	return xen.Guests{Dir: h.dir, XLConf: filepath.Join(h.dir, ".xl.conf"), Run: h.run, Warn: h.warn, Seen: &h.seen}
}

func (h *host) warn(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.warned = append(h.warned, err.Error())
}

func (h *host) configure(file, text string) {
	h.Expect(os.WriteFile(filepath.Join(h.dir, file), []byte(text), 0o600)).To(Succeed())
}

func (h *host) add(name, state string) {
	h.domains[name] = domain{id: h.next, state: state}
	h.next++
}

func (h *host) named(id string) string {
	for name, d := range h.domains {
		if strconv.Itoa(d.id) == id {
			return name
		}
	}
	return ""
}

func (h *host) run(ctx context.Context, p command.Program) (command.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Name != "xl" {
		return h.volume(p)
	}
	call := strings.Join(p.Args, " ")
	if call != "list" && call != "info" {
		h.calls = append(h.calls, strings.NewReplacer(h.dir+"/", "", h.outside, "").Replace(call))
	}
	if h.hangs {
		limited, cancel := context.WithTimeout(ctx, p.Limit)
		defer cancel()
		h.mu.Unlock()
		<-limited.Done()
		h.mu.Lock()
		return command.Result{Code: -1}, fmt.Errorf("%s: %w", p, command.ErrKilled)
	}
	if err := ctx.Err(); err != nil {
		return command.Result{Code: -1}, err
	}
	switch p.Args[0] {
	case "list":
		return command.Exited(p, 0, h.table(), nil)
	case "info":
		return h.info(p)
	case "create":
		return h.create(p)
	case "save":
		return h.save(p)
	case "restore":
		return h.restore(p)
	}
	name := h.named(p.Args[len(p.Args)-1])
	d, exists := h.domains[name]
	switch {
	case !exists:
		return h.answer(p, "destroy-unknown")
	case p.Args[0] == "unpause":
		d.state = "-b----"
	case p.Args[0] == "shutdown" && d.state[2] != 'p' && !h.deaf:
		d.ending = time.Now().Add(shutdownTime)
	case p.Args[0] == "destroy" && !h.immortal:
		delete(h.domains, name)
		return h.answer(p, "destroy-paused")
	}
	h.domains[name] = d
	return command.Exited(p, 0, nil, nil)
}

func (h *host) create(p command.Program) (command.Result, error) {
	h.busy++
	h.mostBusy = max(h.mostBusy, h.busy)
	h.mu.Unlock()
	<-time.After(createTime)
	h.mu.Lock()
	h.busy--
	if h.creation != "" {
		return h.answer(p, h.creation)
	}
	text, err := os.ReadFile(p.Args[1])
	if err != nil {
		return h.answer(p, "create-no-file")
	}
	_, name, _ := strings.Cut(string(text), `"`)
	name, _, _ = strings.Cut(name, `"`)
	if _, exists := h.domains[name]; exists {
		return h.answer(p, "create-already")
	}
	h.add(name, "------")
	return h.answer(p, "create")
}

// info is what xl printed on a machine of 511 MiB, of which 150 were free.
func (h *host) info(p command.Program) (command.Result, error) {
	out, err := h.answer(p, "info")
	if h.free != 0 {
		out.Stdout = bytes.Replace(out.Stdout, []byte(": 150\n"), fmt.Appendf(nil, ": %d\n", h.free), 1)
	}
	if h.commandLine != "" {
		out.Stdout = bytes.Replace(out.Stdout, []byte("dom0_mem=352M,max:352M"), []byte(h.commandLine), 1)
	}
	return out, err
}

func (h *host) table() []byte {
	var b strings.Builder
	b.WriteString("Name                                        ID   Mem VCPUs\tState\tTime(s)\n")
	b.WriteString("Domain-0                                     0   352     1     r-----     218.9\n")
	for _, name := range slices.Sorted(maps.Keys(h.domains)) {
		d := h.domains[name]
		if ended := !d.ending.IsZero() && !time.Now().Before(d.ending); ended && h.unwatched {
			d.state = "---s--"
		} else if ended {
			delete(h.domains, name)
			continue
		}
		fmt.Fprintf(&b, "%-40s %5d %5d %5d     %s %8.1f\n", name, d.id, 96, 1, d.state, 1.5)
	}
	return []byte(b.String())
}

func (h *host) answer(p command.Program, recording string) (command.Result, error) {
	rec, err := recorded.Load(filepath.Join("testdata", recording+".txt"))
	h.Expect(err).NotTo(HaveOccurred())
	return rec.Answer(p)
}
