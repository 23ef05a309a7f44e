package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/command"
)

// A built is a built-in resource.
type built struct{ args []string }

func (b built) Status(context.Context) (failover.State, string, error) {
	return failover.Running, "", nil
}
func (b built) Start(context.Context) error { return nil }
func (b built) Stop(context.Context) error  { return nil }

// put writes an executable file.
func put(dir, name, text string) {
	GinkgoHelper()
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700)).To(Succeed())
}

// newFinder looks in directories of its own, and records what is called.
func newFinder(calls *[]string) agent.Finder {
	dir := GinkgoT().TempDir()
	return agent.Finder{
		ConfDir: filepath.Join(dir, "ha.d"), InitDir: filepath.Join(dir, "init.d"), OCFRoot: filepath.Join(dir, "ocf"),
		Run: func(_ context.Context, p command.Program) (command.Result, error) {
			p.Name, _ = filepath.Rel(dir, p.Name)
			*calls = append(*calls, p.String())
			return command.Exited(p, 0, []byte("running"), nil)
		},
	}
}

var _ = Describe("A word of haresources", func() {
	var (
		calls []string
		f     agent.Finder
	)
	BeforeEach(func() {
		calls = nil
		f = newFinder(&calls)
	})

	useAll := func(ctx context.Context, word string) {
		GinkgoHelper()
		r, err := f.Find(word)
		Expect(err).NotTo(HaveOccurred())
		_, _, err = r.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Start(ctx)).To(Succeed())
		Expect(r.Stop(ctx)).To(Succeed())
	}

	It("is a script, with its arguments first and the action last", func(ctx SpecContext) {
		put(filepath.Join(f.ConfDir, "resource.d"), "Filesystem", "")
		put(f.InitDir, "Filesystem", "")
		useAll(ctx, "Filesystem::/dev/drbd1::/data")
		Expect(calls).To(Equal([]string{
			"ha.d/resource.d/Filesystem /dev/drbd1 /data status",
			"ha.d/resource.d/Filesystem /dev/drbd1 /data start",
			"ha.d/resource.d/Filesystem /dev/drbd1 /data stop",
		}))
	})

	It("is looked for in init.d last", func(ctx SpecContext) {
		put(f.InitDir, "apache2", "")
		useAll(ctx, "apache2")
		Expect(calls).To(Equal([]string{"init.d/apache2 status", "init.d/apache2 start", "init.d/apache2 stop"}))
	})

	It("can be an address", func(ctx SpecContext) {
		put(filepath.Join(f.ConfDir, "resource.d"), "IPaddr", "")
		useAll(ctx, "192.168.0.9/24/eth0")
		Expect(calls[0]).To(Equal("ha.d/resource.d/IPaddr 192.168.0.9/24/eth0 status"))
	})

	It("can be an agent of OCF", func(ctx SpecContext) {
		put(filepath.Join(f.OCFRoot, "resource.d/heartbeat"), "Xinetd", "")
		useAll(ctx, "ocf:heartbeat:Xinetd::service=tftp")
		Expect(calls).To(Equal([]string{
			"ocf/resource.d/heartbeat/Xinetd monitor",
			"ocf/resource.d/heartbeat/Xinetd start",
			"ocf/resource.d/heartbeat/Xinetd stop",
		}))
	})

	It("is built in before any script, but not before an override", func() {
		f.Builtin = map[string]agent.Maker{"LVM": func(args []string) (agent.Resource, error) {
			if len(args) != 1 {
				return nil, errors.New("want LVM::GROUP")
			}
			return built{args}, nil
		}}
		put(filepath.Join(f.ConfDir, "resource.d"), "LVM", "")
		Expect(f.Find("LVM::my_vg")).To(Equal(built{[]string{"my_vg"}}))
		_, err := f.Find("LVM")
		Expect(err).To(MatchError(`resource "LVM": want LVM::GROUP`))
		f.Override = GinkgoT().TempDir()
		Expect(f.Find("LVM::my_vg")).To(BeAssignableToTypeOf(built{}))
		put(f.Override, "LVM", "")
		Expect(f.Find("LVM::my_vg")).NotTo(BeAssignableToTypeOf(built{}))
	})

	It("is told how long its stop may take, in the words of its kind", func(ctx SpecContext) {
		put(f.InitDir, "apache2", "")
		put(filepath.Join(f.OCFRoot, "resource.d/heartbeat"), "Xinetd", "")
		var env []string
		run := f.Run
		f.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			env = p.Env
			return run(ctx, p)
		}
		for word, want := range map[string]string{
			"apache2": "POLLUX_STOP_WITHIN=4", "ocf:heartbeat:Xinetd": "OCF_RESKEY_CRM_meta_timeout=4500",
		} {
			r, err := f.Find(word)
			Expect(err).NotTo(HaveOccurred())
			hasty, ok := r.(agent.Hasty)
			Expect(ok).To(BeTrue())
			Expect(hasty.StopWithin(ctx, 4500*time.Millisecond)).To(Succeed())
			Expect(env).To(ContainElement(want))
			Expect(r.Stop(ctx)).To(Succeed())
			Expect(env).NotTo(ContainElement(want))
		}
	})

	It("that names nothing is refused with the places looked in", func() {
		resources := filepath.Join(f.ConfDir, "resource.d")
		Expect(os.MkdirAll(filepath.Join(resources, "folder"), 0o700)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(resources, "plain"), nil, 0o600)).To(Succeed())
		for _, name := range []string{"xenHA", "folder", "plain"} {
			_, err := f.Find(name + "::x")
			Expect(err).To(MatchError(`resource "` + name + `::x": no executable file ` + name + " in " + resources +
				" or " + f.InitDir))
		}
		_, err := f.Find("ocf:heartbeat:None")
		Expect(err).To(MatchError(HaveSuffix("no executable file None in " + f.OCFRoot + "/resource.d/heartbeat")))
	})

	It("that is no name is refused", func() {
		put(f.OCFRoot+"/resource.d/p", "a", "")
		for _, word := range []string{"", "::x", "../x", "a/b", "ocf:..:x", "ocf:a:", "ocf:p:a::value", "ocf:p:a::=v"} {
			_, err := f.Find(word)
			Expect(err).To(HaveOccurred(), word)
		}
	})

	It("is looked for in the usual places by default", func() {
		_, err := agent.Finder{}.Find("no-such-script")
		Expect(err).To(MatchError(HaveSuffix("in /etc/ha.d/resource.d or /etc/init.d")))
	})
})
