package command_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
)

func TestLinesComeAsTheyArePrinted(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan string, 10)
	ended := make(chan error, 1)
	script := command.Program{Name: "sh", Args: []string{"-c", "echo one; echo two; sleep 1000; echo three"}}
	go func() { ended <- command.Lines(ctx, script, func(line string) { lines <- line }) }()
	g.Eventually(lines, time.Minute).Should(Receive(Equal("one")))
	g.Eventually(lines, time.Minute).Should(Receive(Equal("two")))
	cancel()
	g.Eventually(ended, time.Minute).Should(Receive(Succeed()), "the whole group is killed")
	g.Expect(lines).To(BeEmpty())
}

func TestAStreamThatEndsIsAnError(t *testing.T) {
	g := NewWithT(t)
	none := func(string) {}
	err := command.Lines(t.Context(), command.Program{Name: "sh", Args: []string{"-c", "echo no module >&2; exit 20"}}, none)
	g.Expect(err).To(MatchError(ContainSubstring("exit status 20: no module")))
	err = command.Lines(t.Context(), command.Program{Name: "true"}, none)
	g.Expect(err).To(MatchError(HavePrefix("true: it ended")))
	err = command.Lines(t.Context(), command.Program{Name: "/no/such/program"}, none)
	g.Expect(err).To(HaveOccurred())
}
