package kernelpeer_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// kernel is the DRBD of the machine's Linux.
type kernel struct{ *node }

func (kernel) String() string { return "kernel" }

func (kernel) device() string { return "/dev/drbd1" }

func (k kernel) up(ctx SpecContext) {
	GinkgoHelper()
	k.must(ctx, "drbdadm", "up", "r1")
}

func (k kernel) down(ctx SpecContext) {
	GinkgoHelper()
	k.must(ctx, "drbdadm", "down", "r1")
}

func (k kernel) must(ctx SpecContext, argv ...string) string {
	GinkgoHelper()
	r, err := k.at.Run(ctx, argv...)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.Status).To(BeZero(), "%v: %s%s\n%s", argv, r.Stdout, r.Stderr, tail(k.log(ctx)))
	return r.Stdout
}

func (k kernel) order(ctx SpecContext, verb string, flags ...string) error {
	of := "r1"
	if verb == "new-current-uuid" {
		of = "r1/0" // an order about a volume
	}
	r, err := k.at.Run(ctx, append(append([]string{"drbdadm", verb}, flags...), of)...)
	if err == nil && r.Status != 0 {
		err = fmt.Errorf("exit status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	return err
}

var procLine = regexp.MustCompile(`(?m)^ 1: cs:(\S+)(?: ro:(\S+)/(\S+) ds:(\S+)/(\S+) )?`)

var procOOS = regexp.MustCompile(` oos:(\d+)`)

var procReceived = regexp.MustCompile(` nr:(\d+)`)

func (k kernel) received(ctx SpecContext) int {
	GinkgoHelper()
	m := procReceived.FindStringSubmatch(k.proc(ctx))
	Expect(m).NotTo(BeNil())
	n, err := strconv.Atoi(m[1])
	Expect(err).NotTo(HaveOccurred())
	return n
}

func (k kernel) proc(ctx SpecContext) string {
	GinkgoHelper()
	text, err := k.at.Get(ctx, "/proc/drbd")
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func (k kernel) state(ctx SpecContext) state {
	GinkgoHelper()
	text := k.proc(ctx)
	m := procLine.FindStringSubmatch(text)
	if m == nil {
		return state{Conn: "Unconfigured"}
	}
	s := state{Conn: m[1], Role: m[2], Peer: m[3], Disk: m[4], PeerDisk: m[5]}
	if oos := procOOS.FindStringSubmatch(text); oos != nil {
		s.OutOfSync, _ = strconv.Atoi(oos[1])
	}
	return s
}

func (k kernel) generations(ctx SpecContext) []string {
	GinkgoHelper()
	out := strings.TrimSpace(k.must(ctx, "drbdadm", "get-gi", "r1"))
	return strings.Split(out, ":")[:4]
}

func (k kernel) log(ctx SpecContext) string {
	r, err := k.at.Run(ctx, "dmesg")
	if err != nil {
		return err.Error()
	}
	return r.Stdout
}
