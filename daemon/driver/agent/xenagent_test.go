package agent_test

import (
	"cmp"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/command"
)

// fakeXL is an xl that keeps its domains as files of $DOMAINS, with the
// columns of the real one.
const fakeXL = `#!/bin/sh
echo "xl $*" >> "$DOMAINS/../calls"
command=$1; shift
case $command in
list)
	wanted=
	for word; do case $word in -*) ;; *) wanted=$word ;; esac; done
	[ -z "$wanted" ] || [ -e "$DOMAINS/$wanted" ] || { echo "$wanted is an invalid domain identifier (rc=-6)" >&2; exit 1; }
	echo "Name                                        ID   Mem VCPUs	State	Time(s)"
	[ -n "$wanted" ] || echo "Domain-0                                     0  1024     2     r-----      39.6"
	for d in "$DOMAINS"/*; do
		name=${d##*/}
		[ -e "$d" ] && { [ -z "$wanted" ] || [ "$wanted" = "$name" ]; } &&
			printf '%-40s %5d %5d %5d     -b----       1.5\n' "$name" 5 256 1
	done ;;
create) for file; do [ -f "$file" ] && touch "$DOMAINS/$(sed -n 's/^name *= *"\(.*\)"/\1/p' "$file")"; done ;;
shutdown|destroy) for word; do rm -f "$DOMAINS/$word"; done ;;
esac
exit 0
`

var _ = Describe("ocf:heartbeat:Xen of Debian's package resource-agents", func() {
	It("starts, monitors and stops a guest", func(ctx SpecContext) {
		root := cmp.Or(os.Getenv("OCF_ROOT"), agent.DefaultOCFRoot)
		if _, err := os.Stat(filepath.Join(root, "resource.d/heartbeat/Xen")); err != nil {
			Skip("needs the package resource-agents, or OCF_ROOT with its files")
		}
		dir := GinkgoT().TempDir()
		domains := filepath.Join(dir, "domains")
		Expect(os.Mkdir(domains, 0o700)).To(Succeed())
		put(filepath.Join(dir, "bin"), "xl", fakeXL)
		file := filepath.Join(dir, "web1.cfg")
		Expect(os.WriteFile(file, []byte("name = \"web1\"\nmemory = 256\n"), 0o600)).To(Succeed())
		f := agent.Finder{OCFRoot: root, Run: command.Exec, Env: append(
			agent.Settings{Host: "milo1", OCFRoot: root}.Env(),
			"PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "DOMAINS="+domains,
			"HA_RSCTMP="+dir, "HA_VARRUN="+dir,
		)}
		r, err := f.Find("ocf:heartbeat:Xen::xmfile=" + file)
		Expect(err).NotTo(HaveOccurred())
		status := func() failover.State {
			GinkgoHelper()
			state, _, err := r.Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			return state
		}
		Expect(status()).To(Equal(failover.Stopped))
		Expect(r.Start(ctx)).To(Succeed())
		Expect(status()).To(Equal(failover.Running))
		Expect(filepath.Join(domains, "web1")).To(BeAnExistingFile())
		Expect(r.Stop(ctx)).To(Succeed())
		Expect(status()).To(Equal(failover.Stopped))
		calls, err := os.ReadFile(filepath.Join(dir, "calls"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(calls)).To(ContainSubstring("xl shutdown web1"), "it had time to shut down:\n%s", calls)
	})
})
