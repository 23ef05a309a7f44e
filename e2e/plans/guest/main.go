// Command guest is what the groups of a test machine consist of: a volume group
// that is nothing but a mark, and a guest that writes numbered records to the
// replicated device and prints each that was acknowledged (package ledger).
//
//	guest serve SOCKET EXPORT CLIENTS THINK FAIL LIE   does it all, until it is killed
//	guest tell vg|guest start|stop|status              what the scripts in resource.d call
//	guest tell guest quiet                             no more requests; it ends when none is under way
//	guest tell all drop                                their device died, and both with it
//	guest reseed                                       makes the kernel's random numbers others (a snapshot's)
//
// Of a million orders to start or stop, FAIL fail and LIE are only said to be
// done.
//
// It prints one line for each thing that happens; see run.go.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
	"github.com/optionc/pollux/qemu/entropy"
)

// socketName is where serve is told what to do.
const socketName = "/run/guest.sock"

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 7 && args[0] == "serve":
		err = serve(args[1:])
	case len(args) == 3 && args[0] == "tell":
		err = tell(args[1] + " " + args[2])
	case len(args) == 1 && args[0] == "reseed":
		err = entropy.Reseed()
	default:
		err = errors.New("want serve SOCKET EXPORT CLIENTS THINK FAIL LIE, tell WHAT ORDER, or reseed")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// tell hands an order to the one that serves, and prints its answer.
func tell(order string) error {
	c, err := net.Dial("unix", socketName)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprintln(c, order); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if why, failed := strings.CutPrefix(answer, "failed: "); failed {
		return errors.New(strings.TrimSpace(why))
	}
	fmt.Print(answer)
	return nil
}

// host is a machine that groups run on.
type host struct {
	socket, export string
	clients        int
	think          time.Duration
	fail, lie      int

	mu  sync.Mutex
	vg  bool
	run *run // the last one; nil before the first
}

func serve(args []string) error {
	h := &host{socket: args[0], export: args[1]}
	var err error
	for at, into := range map[int]*int{2: &h.clients, 4: &h.fail, 5: &h.lie} {
		if *into, err = strconv.Atoi(args[at]); err != nil {
			return err
		}
	}
	if h.think, err = time.ParseDuration(args[3]); err != nil {
		return err
	}
	l, err := net.Listen("unix", socketName)
	if err != nil {
		return err
	}
	say("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			order, err := bufio.NewReader(c).ReadString('\n')
			if err != nil {
				return
			}
			answer, err := h.do(strings.TrimSpace(order))
			if err != nil {
				answer = "failed: " + err.Error()
			}
			_, _ = fmt.Fprintln(c, answer) // who asked may have been given up
		}()
	}
}

// do carries out one order.
func (h *host) do(order string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	running := h.run != nil && !h.run.ended()
	if _, action, _ := strings.Cut(order, " "); action == "start" || action == "stop" {
		switch fate := rand.IntN(1_000_000); {
		case fate < h.fail:
			return "", errors.New("the program failed")
		case fate < h.fail+h.lie:
			return "done", nil
		}
	}
	switch order {
	case "vg status":
		return word(h.vg), nil
	case "guest status":
		return word(running), nil
	case "vg start":
		return "started", h.startGroup()
	case "vg stop":
		if running {
			say("disorder the volume group is stopped under the guest")
			return "", errors.New("the volume group is in use")
		}
		if h.vg {
			say("vg stop")
		}
		h.vg = false
	case "guest start":
		if running {
			return "started", nil
		}
		if !h.vg {
			say("disorder the guest is started without its volume group")
		}
		var err error
		h.run, err = h.begin()
		return "started", err
	case "guest stop":
		if running {
			h.run.stop()
		}
	case "guest quiet":
		if running {
			h.run.quiet()
		}
	case "all drop":
		if running {
			h.run.stop()
		}
		h.vg = false
	default:
		return "", fmt.Errorf("found %q, which is no order", order)
	}
	return "done", nil
}

// startGroup looks for the device, as vgchange does.
func (h *host) startGroup() error {
	if h.vg {
		return nil
	}
	device, err := nbdclient.Dial(h.socket, h.export)
	if err != nil {
		return err
	}
	h.vg = true
	say("vg start")
	return device.Close()
}

func word(is bool) string {
	if is {
		return "running"
	}
	return "stopped"
}

var saying sync.Mutex

// say prints a line, whole.
func say(format string, args ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Printf(format+"\n", args...)
}
