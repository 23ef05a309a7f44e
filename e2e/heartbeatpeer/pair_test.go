package heartbeatpeer_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/cable"
)

// pair is two nodes and the cable between them.
type pair struct {
	milo1, milo2 *node
	wire         *cable.Switch
	dir          string
	files        map[string]string // of both nodes
	read         int               // bytes of the calls that were looked at
	ends         []func()          // what close has to do, in reverse
}

// Helper and Cleanup let a cell end with the pair: a pair outlives the spec that made it.
func (p *pair) Helper()          {}
func (p *pair) Cleanup(f func()) { p.ends = append(p.ends, f) }

func (p *pair) close() {
	for _, end := range slices.Backward(p.ends) {
		end()
	}
	p.ends = nil
}

// haCF has the page's lines with shorter times.
const haCF = `logfacility none
logfile /var/lib/log
node milo1 milo2
keepalive 200ms
deadtime 2
initdead 4
ucast eth0 192.168.0.1
ucast eth0 192.168.0.2
auto_failback on
realtime off
`

// ample are the times of the whole matrix: on a machine that is busy with it a node may be silent for seconds.
var ample = strings.NewReplacer("deadtime 2", "deadtime 6", "initdead 4", "initdead 10")

// haresources has a group of three for milo1 and one of one for milo2.
const haresources = `milo1 first second::two third
milo2 fourth
`

// resource is a script that notes when something is started or stopped in earnest, and whether it runs on the other
// node as well. What runs is in a folder that both nodes see.
const resource = `#!/bin/sh
name=${0##*/}
for action; do :; done
mine=/opt/pollux/running/$(uname -n).$name
say() {
  echo "$(date +%s.%N) $(uname -n) $name $*" >>/opt/pollux/times
  echo "$(uname -n) $name $*" >>/opt/pollux/calls
}
case $action in
status) if [ -e $mine ]; then echo running; else echo stopped; fi ;;
start)
  if [ -e /opt/pollux/$(uname -n).$name.start ]; then say start fails; exit 1; fi
  [ -e $mine ] && exit 0
  touch $mine
  say start
  set -- /opt/pollux/running/*.$name
  [ $# = 1 ] || say runs twice ;;
stop)
  if [ -e /opt/pollux/$(uname -n).$name.stop ]; then say stop fails; exit 1; fi
  [ -e $mine ] || exit 0
  rm $mine
  say stop ;;
esac
`

// digests are what authkeys can say.
var digests = map[string]string{
	"crc":  "auth 1\n1 crc\n",
	"md5":  "auth 1\n1 md5 s3cret-key\n",
	"sha1": "auth 1\n1 sha1 s3cret-key\n",
}

// newPair makes two nodes that are on; no daemon runs. Change edits haCF. Who calls it has to close it.
func newPair(ctx context.Context, digest string, milo1, milo2 engine, change ...string) *pair {
	GinkgoHelper()
	p := &pair{milo1: &node{name: "milo1", engine: milo1}, milo2: &node{name: "milo2", engine: milo2}}
	p.milo1.pair, p.milo2.pair = p, p
	var err error
	p.dir, err = os.MkdirTemp("", "pollux-pair")
	Expect(err).NotTo(HaveOccurred())
	p.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	for _, name := range []string{"polluxd", "pollux", "first"} {
		Expect(os.Link(filepath.Join(programs, name), filepath.Join(p.dir, name))).To(Succeed())
	}
	for _, name := range []string{"cl_status", "hb_standby"} {
		Expect(os.Symlink("pollux", filepath.Join(p.dir, name))).To(Succeed())
	}
	Expect(os.Mkdir(filepath.Join(p.dir, "running"), 0o755)).To(Succeed())
	p.wire, err = cable.New(p.dir, 1, "milo1", "milo2")
	Expect(err).NotTo(HaveOccurred())
	p.Cleanup(func() { _ = p.wire.Close() })
	conf := strings.NewReplacer(change...).Replace(haCF)
	if full() {
		conf = ample.Replace(conf)
	}
	p.files = map[string]string{
		"/etc/hosts":            "127.0.0.1 localhost\n192.168.0.1 milo1\n192.168.0.2 milo2\n",
		"/etc/ha.d/ha.cf":       conf,
		"/etc/ha.d/haresources": haresources,
		"/etc/ha.d/authkeys":    digests[digest],
	}
	for _, name := range []string{"first", "second", "third", "fourth"} {
		p.files["/etc/ha.d/resource.d/"+name] = resource
	}
	for i, n := range p.nodes() {
		n.furnish(ctx, p.dir, i+1)
		n.boot(ctx)
	}
	return p
}

func (p *pair) nodes() []*node { return []*node{p.milo1, p.milo2} }

// ours and theirs are the nodes by what runs on them.
func (p *pair) ours() *node {
	if p.milo1.engine == pollux {
		return p.milo1
	}
	return p.milo2
}

func (p *pair) theirs() *node {
	if p.milo1.engine == pollux {
		return p.milo2
	}
	return p.milo1
}

// all are the calls since the beginning.
func (p *pair) all() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "calls"))
	if err != nil && !os.IsNotExist(err) {
		return err.Error()
	}
	return string(text)
}

// since is what was called since the last call of called.
func (p *pair) since() []string {
	text := strings.TrimSuffix(p.all()[p.read:], "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// of are the calls of one node.
func (n *node) of(calls []string) (own []string) {
	for _, call := range calls {
		if rest, ok := strings.CutPrefix(call, n.name+" "); ok {
			own = append(own, rest)
		}
	}
	return own
}

// called waits until the scripts were called like that, and not otherwise, since the last time.
func (p *pair) called(ctx context.Context, calls ...[]string) {
	GinkgoHelper()
	Eventually(p.since).WithContext(ctx).WithTimeout(patience).Should(Equal(slices.Concat(calls...)), p.logs)
	p.read = len(p.all())
}

// seen forgets the calls until now.
func (p *pair) seen() []string {
	calls := p.since()
	p.read = len(p.all())
	return calls
}

// groups are the resources of haresources, by the node that they belong to.
var groups = map[string][]string{"milo1": {"first", "second", "third"}, "milo2": {"fourth"}}

// starts and stops are the calls for the group of another node, or its own, on this one.
func (n *node) starts(owner *node) (calls []string) {
	for _, r := range groups[owner.name] {
		calls = append(calls, n.name+" "+r+" start")
	}
	return calls
}

func (n *node) stops(owner *node) (calls []string) {
	for _, r := range slices.Backward(groups[owner.name]) {
		calls = append(calls, n.name+" "+r+" stop")
	}
	return calls
}

// hold waits until the nodes say that they hold that.
func (p *pair) hold(ctx context.Context, ours, theirs string) {
	GinkgoHelper()
	Eventually(p.ours().holds).WithContext(ctx).WithTimeout(patience).Should(Equal(ours), p.logs)
	Eventually(p.theirs().holds).WithContext(ctx).WithTimeout(patience).Should(Equal(theirs), p.logs)
}

// fails lets an action of a resource fail on a node, or work again.
func (n *node) fails(resource, action string, fails bool) {
	GinkgoHelper()
	file := filepath.Join(n.pair.dir, n.name+"."+resource+"."+action)
	if !fails {
		Expect(os.Remove(file)).To(Succeed())
		return
	}
	Expect(os.WriteFile(file, nil, 0o644)).To(Succeed())
}

// running is what runs where, by the scripts.
func (p *pair) running() []string {
	files, err := os.ReadDir(filepath.Join(p.dir, "running"))
	if err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// logs explain a failure.
func (p *pair) logs() string {
	text := "calls:\n" + p.all()
	for _, n := range p.nodes() {
		text += "\n" + n.name + " (" + string(n.engine) + "):\n" + n.log()
	}
	return text
}
