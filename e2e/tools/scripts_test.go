package tools_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/optionc/pollux/e2e/local"
)

// heartbeatScript does with drbdadm what the resource script drbddisk does.
const heartbeatScript = `#!/bin/sh
RES=$1
case $2 in
start)
    try=6
    while :; do
        drbdadm primary $RES && break
        try=$((try - 1))
        [ $try = 0 ] && exit 20
        sleep 1
    done ;;
stop)
    drbdadm secondary $RES || exit $? ;;
status)
    ROLE=$(drbdadm role $RES) || exit $?
    case ${ROLE%%/*} in
    Primary) echo running ;;
    *)       echo stopped ;;
    esac ;;
esac
`

// monitorScript looks at the pair as checks for monitoring do.
const monitorScript = `#!/bin/sh
set -e
for res in $(drbdadm sh-resources); do
    minor=$(drbdadm sh-minor $res)
    cs=$(drbdadm cstate $res) ds=$(drbdadm dstate $res)
    line=$(pollux proc | sed -n "s/^ *$minor: cs:\([A-Za-z]*\) ro:\([A-Za-z/]*\) ds:\([A-Za-z/]*\) .*/\1 \2 \3/p")
    [ "$line" = "$cs $(drbdadm role $res) $ds" ] || { echo "CRITICAL: $line is not $cs $ds"; exit 2; }
    drbdadm status $res --json | grep -q '"connection-state": "Connected"' || { echo "CRITICAL: json"; exit 2; }
    drbdsetup events2 --now | grep -q "^exists device name:$res volume:0 minor:$minor disk:${ds%%/*}\$"
    [ "$cs" = Connected ] && [ "$ds" = UpToDate/UpToDate ] && echo "OK: $res $line"
done
`

// host is a node with the commands that its scripts expect.
type host struct {
	*local.Node
	bin string
}

func hostOf(n *local.Node) host {
	GinkgoHelper()
	h := host{Node: n, bin: filepath.Join(n.Dir, "bin")}
	Expect(os.Mkdir(h.bin, 0o755)).To(Succeed())
	for _, name := range []string{"pollux", "drbdadm", "drbdsetup"} {
		Expect(os.Symlink(programs.Path("pollux"), filepath.Join(h.bin, name))).To(Succeed())
	}
	for name, text := range map[string]string{"drbddisk": heartbeatScript, "check_drbd": monitorScript} {
		Expect(os.WriteFile(filepath.Join(h.bin, name), []byte(text), 0o755)).To(Succeed())
	}
	return h
}

func (h host) command(ctx context.Context, line string) *exec.Cmd {
	words := strings.Fields(line)
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, words[0]), words[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+h.bin+":"+os.Getenv("PATH"), "POLLUX_CONFIG_DIR="+h.ConfigDir(),
		"POLLUX_RUN_DIR="+h.RunDir(), "POLLUX_NODE="+h.Name)
	return cmd
}

// says runs a script that must succeed, and gives what it prints.
func (h host) says(ctx context.Context, line string) string {
	GinkgoHelper()
	out, err := h.command(ctx, line).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s: %s:\n%s", h.Name, line, out)
	return string(out)
}

// fails runs a script that must not, and gives its exit status.
func (h host) fails(ctx context.Context, line string) (int, string) {
	GinkgoHelper()
	out, err := h.command(ctx, line).CombinedOutput()
	var exit *exec.ExitError
	Expect(err).To(BeAssignableToTypeOf(exit), "%s: %s:\n%s", h.Name, line, out)
	return err.(*exec.ExitError).ExitCode(), string(out) //nolint:errorlint // just checked
}

var _ = Describe("Scripts that know drbdadm", Ordered, func() {
	var milo1, milo2 host
	var events *gexec.Session

	BeforeAll(func(ctx SpecContext) {
		pair := local.New(local.Options{Programs: programs})
		milo1, milo2 = hostOf(pair.Milo1), hostOf(pair.Milo2)
		for _, h := range []host{milo1, milo2} {
			h.says(ctx, "drbdadm create-md r1")
			h.Start(ctx)
		}
		Eventually(milo1.Connection).WithContext(ctx).WithTimeout(patience).Should(Equal("Connected"))
		var err error
		events, err = gexec.Start(milo2.command(context.Background(), "drbdsetup events2"), GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { events.Kill().Wait(patience) })
		Eventually(events.Out).WithTimeout(patience).Should(gbytes.Say("exists -\n"))
	}, limit)

	It("are refused as by DRBD", func(ctx SpecContext) {
		status, text := milo1.fails(ctx, "drbdadm primary r1")
		Expect(status).To(Equal(17))
		Expect(text).To(HavePrefix("1: State change failed: (-2) Need access to UpToDate data\n"))
	}, limit)

	It("start a first sync and wait for its end", func(ctx SpecContext) {
		milo1.says(ctx, "drbdadm primary --force all")
		milo1.says(ctx, "drbdsetup wait-sync 1")
		Expect(milo1.says(ctx, "check_drbd")).To(Equal("OK: r1 Connected Primary/Secondary UpToDate/UpToDate\n"))
	}, limit)

	It("hear of every change as it happens", func() {
		Eventually(events.Out).WithTimeout(patience).Should(gbytes.Say(
			`change peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:SyncTarget`))
		Eventually(events.Out).WithTimeout(patience).Should(gbytes.Say(`change device name:r1 volume:0 minor:1 disk:UpToDate`))
	})

	It("move the role with Heartbeat's resource script", func(ctx SpecContext) {
		Expect(milo1.says(ctx, "drbddisk r1 status")).To(Equal("running\n"))
		Expect(milo2.says(ctx, "drbddisk r1 status")).To(Equal("stopped\n"))
		status, text := milo2.fails(ctx, "drbdadm primary r1")
		Expect(status).To(Equal(11))
		Expect(text).To(HavePrefix("1: State change failed: (-1) Multiple primaries not allowed by config\n"))
		milo1.says(ctx, "drbddisk r1 stop")
		milo2.says(ctx, "drbddisk r1 start")
		Expect(milo2.says(ctx, "drbddisk r1 status")).To(Equal("running\n"))
		Expect(milo1.says(ctx, "drbdadm role r1")).To(Equal("Secondary/Primary\n"))
		Expect(milo2.says(ctx, "check_drbd")).To(Equal("OK: r1 Connected Primary/Secondary UpToDate/UpToDate\n"))
	}, limit)

	It("take a resource down and bring it up", func(ctx SpecContext) {
		milo1.says(ctx, "drbdadm down r1")
		status, text := milo1.fails(ctx, "drbdadm role r1")
		Expect(status).To(Equal(10))
		Expect(text).To(HavePrefix("1: Failure: (127) Device minor not allocated\n"))
		Expect(milo1.says(ctx, "pollux proc")).To(HaveSuffix("\n\n 1: cs:Unconfigured\n"))
		Expect(milo1.says(ctx, "drbdadm dstate r1")).To(Equal("Outdated/DUnknown\n"),
			"asked of the disk: it left a Primary")
		milo1.says(ctx, "drbdadm up r1")
		milo1.says(ctx, "drbdadm wait-connect r1")
		milo1.says(ctx, "drbdsetup wait-sync 1")
		Expect(milo1.says(ctx, "drbdadm dstate r1")).To(Equal("UpToDate/UpToDate\n"))
	}, limit)

	It("leave the peer and come back", func(ctx SpecContext) {
		milo1.says(ctx, "drbdadm disconnect r1")
		Expect(milo1.says(ctx, "drbdadm cstate r1")).To(Equal("StandAlone\n"))
		milo1.says(ctx, "drbdadm adjust r1")
		milo1.says(ctx, "drbdsetup wait-sync 1")
		status, text := milo1.fails(ctx, "drbdadm connect r1")
		Expect(status).To(Equal(10))
		Expect(text).To(ContainSubstring("(125) Device has a net-config (use disconnect first)"))
	}, limit)

	It("take over what has changed in drbd.conf", func(ctx SpecContext) {
		milo1.Replace("drbd.conf", "rate 100M", "rate 20M")
		milo1.says(ctx, "drbdadm adjust r1")
		Expect(milo1.says(ctx, "drbdsetup show r1")).To(MatchRegexp(`resync-rate +20M;`))
		milo1.Replace("drbd.conf", "al-extents 257", "al-extents 511")
		status, text := milo1.fails(ctx, "drbdadm adjust r1")
		Expect(status).To(Equal(10))
		Expect(text).To(HaveSuffix("these need a new start of polluxd: disk al-extents\n"))
		Expect(milo1.says(ctx, "drbdsetup show r1")).To(MatchRegexp(`al-extents +257;`))
	}, limit)

	It("verify all of it", func(ctx SpecContext) {
		for _, h := range []host{milo1, milo2} {
			h.Stop(ctx)
			h.Replace("drbd.conf", "protocol C;", "protocol C; net { verify-alg sha1; }")
			h.Start(ctx)
		}
		milo1.says(ctx, "drbdsetup wait-sync 1")
		milo1.says(ctx, "drbdadm verify r1 --start=0 --stop=1M")
		milo1.says(ctx, "drbdsetup wait-sync 1")
		Expect(milo1.says(ctx, "pollux status")).To(ContainSubstring("last verify: "))
	}, limit)
})
