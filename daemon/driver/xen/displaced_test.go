package xen_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// standby is a host on which web1 and web2 are configured, which runs batch and
// test for itself; in this order they start.
type standby struct {
	*host
	displaced *xen.Displaced
	files     []string
	record    string
	warned    []string
}

func always() bool { return true }

func onStandby(t *testing.T, test func(s *standby, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &standby{host: newHost(t, "web1", "web2")}
		own := t.TempDir()
		var files []string
		for _, name := range []string{"batch", "test"} {
			file := filepath.Join(own, name)
			text := "name = \"" + name + "\"\nmemory = 96\npollux_shutdown = 10\n"
			s.Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
			files = append(files, file)
			s.add(name, "-b----")
		}
		s.outside = own + "/"
		s.files, s.record = files, filepath.Join(t.TempDir(), "displaced")
		s.displaced = xen.NewDisplaced(xen.Guests{Files: files, Run: s.run}, s.record,
			func(err error) { s.warned = append(s.warned, err.Error()) })
		test(s, t.Context())
		s.Expect(s.warned).To(BeEmpty())
	})
}

func (s *standby) important() xen.Guests {
	g := s.guests()
	g.Displaced = s.displaced
	return g
}

func (s *standby) owed() []string {
	names, err := s.displaced.Owed()
	s.Expect(err).NotTo(HaveOccurred())
	return names
}

func TestGuestsOfTheStandbyMakeRoomAndComeBack(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(s.important().Start(ctx)).To(Succeed())
		s.Expect(s.calls[:2]).To(ConsistOf("shutdown -F 1", "shutdown -F 2"))
		s.Expect(s.calls[2:]).To(Equal([]string{"create web1.cfg", "create web2.cfg"}))
		s.Expect(s.domains).To(And(HaveLen(2), HaveKey("web1"), HaveKey("web2")))
		s.Expect(s.owed()).To(Equal([]string{"batch", "test"}))

		s.Expect(s.important().Stop(ctx)).To(Succeed())
		s.calls = nil
		s.Expect(s.displaced.Return(ctx, always)).To(Equal([]string{"batch", "test"}))
		s.Expect(s.calls).To(Equal([]string{"create batch", "create test"}))
		s.Expect(s.owed()).To(BeEmpty())
		s.Expect(s.displaced.Return(ctx, always)).To(BeEmpty())
	})
}

func TestOnlyWhatWasStoppedComesBack(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		delete(s.domains, "test")
		s.Expect(s.important().Start(ctx)).To(Succeed())
		s.Expect(s.owed()).To(Equal([]string{"batch"}))
		s.calls = nil
		s.Expect(s.important().Start(ctx)).To(Succeed(), "again, and nothing happens")
		s.Expect(s.calls).To(BeEmpty())
		s.Expect(s.owed()).To(Equal([]string{"batch"}))
		s.Expect(s.displaced.Return(ctx, always)).To(Equal([]string{"batch"}))
	})
}

func TestWhoDoesNotLeaveIsDestroyed(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.deaf = true
		s.Expect(s.important().Start(ctx)).To(Succeed())
		s.Expect(s.calls[2:]).To(ConsistOf("destroy 1", "destroy 2", "create web1.cfg", "create web2.cfg"))
	})
}

func TestWhoStaysIsToldOfAndHarmsNobodyWhileThereIsRoom(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.deaf, s.immortal = true, true
		s.Expect(s.important().Start(ctx)).To(Succeed())
		s.Expect(s.warned).To(HaveExactElements(And(HavePrefix("displace guests: "), ContainSubstring("still there"))))
		s.warned = nil
		delete(s.domains, "web1")
		s.free = 95
		s.Expect(s.important().Start(ctx)).To(MatchError(And(ContainSubstring("not enough memory: 96 MiB are needed (web1 96)"),
			ContainSubstring("still there when the time was up"))))
		s.warned = nil
	})
}

func TestNobodyLeavesForGuestsThatFindNoRoomAllTheSame(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.free = 1
		s.configure("web2.cfg", "name = \"web2\"\nmemory = 98\n")
		s.Expect(s.important().Start(ctx)).To(MatchError(HaveSuffix(": not enough memory: 194 MiB are needed (web1 96, web2 98), " +
			"and there would be 193 without batch, test: Xen has 1 MiB free; what runs here has 192: batch 96, test 96")))
		s.Expect(s.calls).To(BeEmpty())
		s.Expect(s.owed()).To(BeEmpty())
	})
}

func TestAReturnEndsWhenTheImportantGuestsCome(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(s.displaced.Leave(ctx)).To(Succeed())
		s.calls = nil
		back := make(chan []string)
		go func() {
			names, err := s.displaced.Return(ctx, always)
			s.Expect(err).NotTo(HaveOccurred())
			back <- names
		}()
		synctest.Wait() // batch is being created
		done := make(chan error)
		go func() { done <- s.important().Start(ctx) }()
		s.Expect(<-back).To(Equal([]string{"batch"}))
		s.Expect(<-done).To(Succeed())
		s.Expect(s.calls).To(Equal([]string{"create batch", "shutdown -F 3", "create web1.cfg", "create web2.cfg"}))
		s.Expect(s.owed()).To(Equal([]string{"batch", "test"}))
	})
}

func TestNobodyReturnsBesideImportantGuests(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(s.displaced.Leave(ctx)).To(Succeed())
		s.Expect(s.displaced.Return(ctx, func() bool { return false })).To(BeEmpty())
		s.Expect(s.owed()).To(Equal([]string{"batch", "test"}))
	})
}

func TestWhatDoesNotComeBackStaysOwed(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(s.displaced.Leave(ctx)).To(Succeed())
		s.creation = "create-no-memory"
		_, err := s.displaced.Return(ctx, always)
		s.Expect(err).To(MatchError(And(HavePrefix("bring displaced guests back: start guest batch: "),
			ContainSubstring("Out of memory"))))
		s.Expect(s.owed()).To(Equal([]string{"batch", "test"}))
		s.creation = ""
		s.add("test", "-b----") // by hand
		s.Expect(s.displaced.Return(ctx, always)).To(Equal([]string{"batch", "test"}))
	})
}

func TestAFileThatIsGoneKeepsNobodyHere(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(os.Remove(s.files[0])).To(Succeed())
		s.Expect(s.important().Start(ctx)).To(Succeed())
		s.Expect(s.domains).To(And(HaveKey("batch"), Not(HaveKey("test"))))
		s.Expect(s.warned).To(HaveExactElements(ContainSubstring("batch: no such file")))
		s.warned = nil
	})
}

func TestARecordThatCanNotBeReadIsSaid(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.Expect(os.WriteFile(s.record, []byte("[\"/etc/x"), 0o600)).To(Succeed())
		_, err := s.displaced.Owed()
		s.Expect(err).To(MatchError(ContainSubstring("record of displaced guests, ")))
		s.Expect(s.displaced.Leave(ctx)).To(MatchError(ContainSubstring("record of displaced guests, ")))
		s.Expect(s.domains).To(BeEmpty())
		s.Expect(s.owed()).To(Equal([]string{"batch", "test"}), "a new one is there")
	})
}

func TestNobodyIsDisplacedWhileXenDoesNotAnswer(t *testing.T) {
	onStandby(t, func(s *standby, ctx context.Context) {
		s.hangs = true
		s.Expect(s.displaced.Leave(ctx)).To(MatchError(command.ErrKilled))
		_, err := s.displaced.Return(ctx, always)
		s.Expect(err).To(MatchError(command.ErrKilled))
		s.Expect(s.owed()).To(BeEmpty())
	})
}
