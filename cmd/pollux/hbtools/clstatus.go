package hbtools

import (
	"context"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/node"
)

// question is one run of cl_status.
type question struct {
	*Tool
	cluster *node.ClusterStatus
	flags   string // letters of the options
	named   string // value of hbparameter's -p
	args    []string
}

// answers are the sub-commands. Each gives the exit status.
var answers = map[string]func(q *question) int{
	"clientstatus": clientStatus, "hblinkstatus": linkStatus, "hbstatus": nil, "listnodes": listNodes,
	"listhblinks": listLinks, "nodestatus": nodeStatus, "nodeweight": nodeWeight, "nodesite": nodeSite,
	"nodetype": nodeType, "rscstatus": resourceStatus, "hbparameter": parameter, "test": test,
}

const usage = `Usage: cl_status <sub-command> [<options>] [<parameters>]

Sub-commands: clientstatus, hblinkstatus, hbstatus, listnodes, listhblinks,
nodestatus, nodeweight, nodesite, nodetype, rscstatus, hbparameter.
Options: -m says it in a sentence; -v tells more; -n and -p list only nodes,
or only ping nodes; hbparameter has -p and the name of a directive of ha.cf.
`

// Status is cl_status.
func (t *Tool) Status(ctx context.Context, args []string) int {
	if len(args) == 0 {
		t.print("%s", usage)
		return 0
	}
	command := args[0]
	answer, known := answers[command]
	if !known {
		t.complain(command + ": invalid sub-command.")
		return exitUsage
	}
	q := &question{Tool: t}
	for rest := args[1:]; len(rest) > 0; rest = rest[1:] {
		letters, isOption := strings.CutPrefix(rest[0], "-")
		switch {
		case !isOption:
			q.args = append(q.args, rest[0])
		case command == "hbparameter" && strings.HasSuffix(letters, "p") && len(rest) > 1:
			q.flags += letters
			q.named = rest[1]
			rest = rest[1:]
		default:
			q.flags += letters
		}
	}
	cluster, running := t.cluster(ctx)
	q.cluster = cluster
	switch {
	case command == "hbstatus":
		return q.heartbeatStatus(running)
	case !running:
		t.complain("Cannot signon with heartbeat", "REASON: hb_api_signon: Can't initiate connection to heartbeat")
		return exitFailed
	}
	return answer(q)
}

func (q *question) has(flag string) bool { return strings.Contains(q.flags, flag) }

// say prints a word, or the sentence that -m asks for.
func (q *question) say(word, sentence string) {
	if q.has("m") {
		q.print("%s\n", sentence)
		return
	}
	q.print("%s\n", word)
}

// about finds the node that the first argument names.
func (q *question) about(count int, tooFew string) (*node.Member, int) {
	if len(q.args) < count {
		_, _ = q.Stderr.Write([]byte(tooFew + "\n"))
		return nil, exitUsage
	}
	i := slices.IndexFunc(q.cluster.Nodes, func(n node.Member) bool { return strings.EqualFold(n.Name, q.args[0]) })
	if i < 0 {
		return nil, exitOther
	}
	return &q.cluster.Nodes[i], 0
}

// aNode is about for questions whose one argument is a node.
func (q *question) aNode() (*node.Member, int) {
	n, status := q.about(1, "Not enough parameters.")
	if status == exitOther {
		_, _ = q.Stderr.Write([]byte("Error. May be due to incorrect node name\n"))
		status = exitUsage
	}
	return n, status
}

func (q *question) heartbeatStatus(running bool) int {
	switch {
	case !running:
		q.print("Heartbeat is stopped on this machine.\n")
		if q.has("v") {
			q.print("(hb_api_signon: Can't initiate connection to heartbeat)\n")
		}
		return exitFailed
	case q.has("v"):
		q.print("version:\t3.0.6 (pollux)\nmanaged by:\t\"haresources\"\n")
		if q.cluster.Maintenance {
			q.print("maintenance:\ton\n")
		}
		return listNodes(q)
	}
	q.print("Heartbeat is running on this machine.\n")
	return 0
}

// listNodes lists them in Heartbeat's order, which is the reverse of ha.cf's.
func listNodes(q *question) int {
	for _, n := range slices.Backward(q.cluster.Nodes) {
		switch {
		case q.has("n") && n.Type != node.TypeNormal, q.has("p") && n.Type != node.TypePing:
		case q.has("v"):
			q.print("\n%s\t%s\t(nodetype: %s)\n", n.Name, n.State, n.Type)
			for _, l := range n.Links {
				q.print("\t%s\t%s\n", l.Medium, linkWord(l))
			}
		default:
			q.print("%s\n", n.Name)
		}
	}
	return 0
}

func linkWord(l node.LinkStatus) string {
	if l.Up {
		return "up"
	}
	return "dead"
}

func nodeStatus(q *question) int {
	n, status := q.aNode()
	if n == nil {
		return status
	}
	q.say(n.State, "The cluster node "+q.args[0]+" is "+n.State)
	if slices.Contains([]string{"active", "up", "ping"}, n.State) {
		return 0
	}
	return exitFailed
}

func nodeType(q *question) int {
	n, status := q.aNode()
	if n != nil {
		q.say(n.Type, "The node "+q.args[0]+"'s type: "+n.Type)
	}
	return status
}

// defaultWeight is what every node weighs: nothing of haresources asks for it.
const defaultWeight = "100"

func nodeWeight(q *question) int {
	n, status := q.aNode()
	if n != nil {
		q.say(defaultWeight, "The weight of the cluster node "+q.args[0]+" is "+defaultWeight)
	}
	return status
}

func nodeSite(q *question) int {
	n, status := q.aNode()
	if n != nil {
		q.say("", "The site of the cluster node "+q.args[0]+" is ")
	}
	return status
}

func listLinks(q *question) int {
	n, status := q.about(1, "Not enough parameters.")
	if n == nil {
		if status == exitOther {
			q.complain("Cannot start heartbeat link interface walk.", "REASON: EINVAL")
		}
		return status
	}
	if q.has("m") {
		q.print("\tthis node has the following heartbeat links:\n")
	}
	for _, l := range n.Links {
		if q.has("v") {
			q.print("\t%s\t%s\n", l.Medium, linkWord(l))
			continue
		}
		q.print("\t%s\n", l.Medium)
	}
	return 0
}

func linkStatus(q *question) int {
	n, status := q.about(2, "No enough parameter.")
	if status == exitUsage {
		return status
	}
	if n != nil {
		for _, l := range n.Links {
			if l.Medium != q.args[1] {
				continue
			}
			q.say(linkWord(l), "The node "+q.args[0]+"'s heartbeat link "+q.args[1]+" is "+linkWord(l))
			if l.Up {
				return 0
			}
			return exitFailed
		}
	}
	q.complain("Cannot get heartbeat link status", "REASON: ")
	return exitOther
}

func resourceStatus(q *question) int {
	q.say(q.cluster.Holding, "This node is holding "+q.cluster.Holding+" resources.")
	return 0
}

// maintenance is pollux's own: whether operators alone decide about groups.
const maintenance = "maintenance"

func parameter(q *question) int {
	if q.named == "" {
		q.complain("parameter name required")
		return exitUsage
	}
	value, ok := "", false
	if q.named == maintenance { // which is no directive, and may change
		value, ok = "off", true
		if q.cluster.Maintenance {
			value = "on"
		}
	} else if ha, err := q.HA(); err == nil {
		value, ok = ha.Parameter(q.named)
	}
	if !ok {
		q.complain("Cannot get parameter "+q.named+"'s value", "REASON: ")
		return exitFailed
	}
	q.say(value, "Heartbeat parameter "+q.named+"'s value: "+value)
	return 0
}

// clientStatus is about programs that use Heartbeat's own socket: there are none.
func clientStatus(q *question) int {
	if len(q.args) < 2 {
		_, _ = q.Stderr.Write([]byte("Not enough parameters.\n"))
		return exitUsage
	}
	q.print("offline\n")
	return exitFailed
}

func test(q *question) int {
	ha, err := q.HA()
	if err != nil {
		q.complain(err.Error())
		return exitOther
	}
	q.print("Dead time: %d\n keeplive time: %d\n mynodeid: %s\n rsc: %s\n", ha.Deadtime.Milliseconds(),
		ha.Keepalive.Milliseconds(), q.Node, q.cluster.Holding)
	return 0
}
