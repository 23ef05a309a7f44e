package agent_test

import (
	"context"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/command"
)

var _ = Describe("A real script", func() {
	var f agent.Finder
	BeforeEach(func() {
		f = newFinder(new([]string))
		f.Run = command.Exec
	})

	// written makes a script of these lines, as a resource.
	written := func(text string) agent.Resource {
		GinkgoHelper()
		put(filepath.Join(f.ConfDir, "resource.d"), "thing", "#!/bin/sh\n"+text)
		r, err := f.Find("thing::" + f.ConfDir)
		Expect(err).NotTo(HaveOccurred())
		return r
	}

	It("starts and stops", func(ctx SpecContext) {
		r := written(`case $2 in
			start) : > $1/up ;;
			stop) rm -f $1/up ;;
			status) if [ -e $1/up ]; then echo running; else echo stopped; exit 3; fi ;;
			esac`)
		for _, want := range []failover.State{failover.Stopped, failover.Running} {
			state, _, err := r.Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(state).To(Equal(want))
			Expect(r.Start(ctx)).To(Succeed())
		}
		Expect(r.Stop(ctx)).To(Succeed())
		state, text, err := r.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(failover.Stopped))
		Expect(text).To(Equal("stopped"))
	})

	It("that fails is quoted", func(ctx SpecContext) {
		r := written("echo 'mount: wrong fs type' >&2; exit 1")
		Expect(r.Start(ctx)).To(MatchError(HaveSuffix("/thing " + f.ConfDir + " start: exit status 1: mount: wrong fs type")))
		Expect(r.Stop(ctx)).NotTo(Succeed())
	})

	DescribeTable("is judged by what it prints", func(ctx SpecContext, text string, want failover.State) {
		state, _, err := written(text).Status(ctx)
		Expect(state).To(Equal(want))
		Expect(err != nil).To(Equal(want == failover.Unknown))
	},
		Entry(nil, "echo running", failover.Running),
		Entry(nil, "echo thing is Running; exit 1", failover.Running),
		Entry(nil, "echo OK", failover.Running),
		Entry(nil, "echo running >&2", failover.Running),
		Entry(nil, "echo stopped", failover.Stopped),
		Entry(nil, "echo not running", failover.Stopped),
		Entry(nil, "echo 'thing is NOT running'", failover.Stopped),
		Entry(nil, "echo 'Not all are running: OK'", failover.Stopped),
		Entry(nil, "echo running, but not well", failover.Running),
		Entry(nil, "echo 'warning: running as root' >&2; echo down; exit 3", failover.Stopped),
		Entry(nil, "true", failover.Stopped),
		Entry(nil, "exit 3", failover.Stopped),
		Entry("LSB: unknown", "exit 4", failover.Unknown),
		Entry("a program that is not there", "no-such-program", failover.Unknown),
		Entry("killed", "kill -9 $$", failover.Unknown),
	)

	It("that hangs is unknown", func(ctx SpecContext) {
		f.StatusLimit, f.OrderLimit = 10*time.Millisecond, 10*time.Millisecond
		r := written("sleep 1000")
		state, _, err := r.Status(ctx)
		Expect(err).To(MatchError(command.ErrKilled))
		Expect(state).To(Equal(failover.Unknown))
		Expect(r.Start(ctx)).To(MatchError(command.ErrKilled))
	})

	It("knows the cluster from its environment", func(ctx SpecContext) {
		f.Env = agent.Settings{
			Host: "milo1", ConfDir: "/etc/ha.d", FIFO: "/run/pollux/fifo", Parameters: []string{"deadtime=90"},
		}.Env()
		r := written(`echo "$HA_CURHOST $HA_RESOURCEDIR $HA_FIFO $HA_deadtime $HA_NICEFAILBACK $OCF_ROOT" OK`)
		_, text, err := r.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(Equal("milo1 /etc/ha.d/resource.d /run/pollux/fifo 90 yes /usr/lib/ocf OK"))
		Expect(agent.Settings{Legacy: true}.Env()).NotTo(ContainElement(HavePrefix("HA_NICEFAILBACK")))
	})
})

var _ = Describe("A real agent of OCF", func() {
	var f agent.Finder
	BeforeEach(func() {
		f = newFinder(new([]string))
		f.Run = command.Exec
	})

	DescribeTable("is judged by its exit status", func(ctx SpecContext, code string, want failover.State, said string) {
		put(f.OCFRoot+"/resource.d/pollux", "thing",
			"#!/bin/sh\necho $1 $OCF_RESKEY_a $OCF_RESOURCE_INSTANCE $OCF_RESKEY_CRM_meta_timeout running >&2; exit "+code)
		r, err := f.Find("ocf:pollux:thing::a=b c")
		Expect(err).NotTo(HaveOccurred())
		state, text, err := r.Status(ctx)
		Expect(state).To(Equal(want))
		Expect(text).To(HaveSuffix(said))
		Expect(err != nil).To(Equal(want == failover.Unknown))
		Expect(r.Start(ctx) == nil).To(Equal(code == "0"))
	},
		Entry(nil, "0", failover.Running, "running"),
		Entry(nil, "7", failover.Stopped, "not running"),
		Entry(nil, "8", failover.Running, "running as master"),
		Entry(nil, "9", failover.Running, "failed as master"),
		Entry(nil, "1", failover.Unknown, "exit status 1: monitor b c thing-9a18ae9b 60000 running"),
		Entry(nil, "5", failover.Unknown, "exit status 5: monitor b c thing-9a18ae9b 60000 running"),
	)

	It("that hangs is unknown", func(ctx SpecContext) {
		f.StatusLimit = 10 * time.Millisecond
		put(f.OCFRoot+"/resource.d/pollux", "thing", "#!/bin/sh\nsleep 1000")
		r, err := f.Find("ocf:pollux:thing")
		Expect(err).NotTo(HaveOccurred())
		state, _, err := r.Status(context.WithoutCancel(ctx))
		Expect(err).To(MatchError(command.ErrKilled))
		Expect(state).To(Equal(failover.Unknown))
	})
})
