package guard_test

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/guard"
)

// memallocNoIO is the kernel's flag of a thread for which finding memory starts
// no I/O. Source: proc(5), section "/proc/pid/stat", field 9.
const memallocNoIO = 0x00080000

// unsafeThreads names the threads of this process that may wait for a
// write-back.
func unsafeThreads(t *testing.T) (list []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from field 3 on
		flags, err := strconv.ParseUint(fields[6], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if flags&memallocNoIO == 0 {
			list = append(list, path)
		}
	}
	return list
}

func TestAllThreadsAreProtectedOrItIsSaid(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("GOMEMLIMIT", "")
	missing := strings.Join(guard.Process(), "\n")
	// Threads that are born later.
	release := make(chan bool)
	for range 8 {
		go func() {
			runtime.LockOSThread()
			<-release
		}()
	}
	defer close(release)
	if strings.Contains(missing, "PR_SET_IO_FLUSHER") {
		g.Expect(missing).To(MatchRegexp("may wait for its own devices: PR_SET_IO_FLUSHER needs " +
			"(CAP_SYS_RESOURCE|Linux 5.6|a build with CGO_ENABLED=0)"))
	} else {
		g.Expect(unsafeThreads(t)).To(BeEmpty())
	}
	if !strings.Contains(missing, "may be killed") {
		g.Expect(os.ReadFile("/proc/self/oom_score_adj")).To(Equal([]byte("-1000\n")))
	}
	g.Expect(debug.SetMemoryLimit(-1)).To(BeNumerically(">=", 256<<20))
}

func TestLocks(t *testing.T) {
	g := NewWithT(t)
	g.Expect(guard.Memory(guard.LockNothing)).To(Succeed())
	g.Expect(guard.Memory("some")).To(MatchError(`lock memory: found "some", want no, touched or all`))
	if err := guard.Memory(guard.LockTouched); err != nil {
		g.Expect(err).To(MatchError(MatchRegexp("lock memory: (no limit is wanted|mlockall: )")))
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(status)).To(MatchRegexp(`VmLck:\s+[1-9]`))
}
