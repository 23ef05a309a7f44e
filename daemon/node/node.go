// Package node is the shell around the cores of one node. It feeds the machine
// what drivers report, one input after the other, and carries out what it
// asks for, in order. It decides nothing.
//
//	peer link, heartbeats, disk, device users, programs, administrator
//	      |                                             ^
//	      v  inputs                                     |  effects, in order
//	    inbox ------> machine.Step(now, input) ---------+
//
// Who brings an input in a hurry takes the turn to step the machine: see turn.go.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/beatlink"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/clock"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/driver/pingnode"
	"github.com/optionc/pollux/daemon/driver/xen"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// poolSize is the memory of all payloads. Users may take half of it (see
// export.Config.Budget), so that the peer's packets always find room.
const poolSize = 64 << 20

// Options say how to run a node.
type Options struct {
	// StateDir keeps who the node is, and whether its last run ended cleanly.
	StateDir string
	// HeartbeatDir keeps what Heartbeat keeps of a node; "" is StateDir.
	HeartbeatDir string
	// LastKnownDir has what drbdadm remembers of disks with internal metadata;
	// "" is StateDir.
	LastKnownDir string
	// RunDir has the sockets: control.sock, and NAME.nbd of each resource.
	RunDir string
	// Agents is a directory whose scripts replace the built-in resources of
	// haresources; "" is none.
	Agents string
	// Frontend makes the devices; "" is FrontendSocket.
	Frontend Frontend
	// DeadTime is how long users of a block device wait for a daemon that died
	// before they get errors, in whole seconds; 0 is ten minutes.
	DeadTime time.Duration
	// Inherited are the Sockets of the program that this one replaces.
	Inherited map[string]*os.File
	// Record is how many bytes of what happens here are kept in StateDir, to be
	// replayed; 0 is nothing.
	Record int64
	// Bind is the address to hear heartbeats on, instead of the interfaces of
	// ha.cf: for two nodes on one machine.
	Bind netip.Addr
	// Run and Stream start the programs of drbd-utils, for tests; nil is what
	// really does.
	Run    command.Runner
	Stream command.Streamer
	Log    *slog.Logger
}

// Node is a running node.
type Node struct {
	options  Options
	log      *slog.Logger
	site     *config.Site
	identity *identity
	machine  *machine.Machine
	clock    *clock.Clock
	inbox    *inbox
	pool     *buffer.Pool
	devices  []*device // by resource, as in site
	link     *beatlink.Link
	pings    *pingnode.Pinger // nil: there are none, or they can't be asked
	witness  thirdPlace       // nil: there is none
	// witnessPin is this node's, for a pollux-witness.
	witnessPin string
	agents     agent.Finder
	guests     guestFiles
	rooms      *rooms
	// displaced make room for guests of groups; nil: this node runs none for itself.
	displaced *xen.Displaced
	control   *control.Server
	answers   answers
	ctx       context.Context //nolint:containedctx // the life of the node, for the programs that it starts
	stop      context.CancelFunc
	working   sync.WaitGroup
	left      chan struct{} // closed when the groups are given up
	once      sync.Once
	sockets   map[string]*os.File
	rounds    atomic.Uint64 // how often loop went round
	unwatched atomic.Value  // what is wrong with the watchdog, a string

	// turn is held by who steps the machine; what follows needs it.
	turn      sync.Mutex
	ended     bool
	awake     time.Duration // when loop looks at the machine by itself
	batch     batch
	effects   []machine.Effect
	corked    []*device // those with something that is ready to leave
	changes   uint64    // of states so far
	recording recording
	history   *history
	durations durations
}

// New makes a node of a configuration. Nothing runs before Run.
func New(site *config.Site, o Options) (*Node, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		options: o, log: o.Log, site: site, clock: clock.New(), inbox: newInbox(),
		left: make(chan struct{}),
	}
	n.rooms = newRooms(n.sayShell, n.noRoom)
	if site.HA != nil {
		n.displaced = n.displaces()
		n.agents = finder(site, o, xen.Guests{
			Displaced: n.displaced, Seen: &xen.Seen{}, Run: command.Exec, Warn: func(err error) { n.log.Warn("guests", "error", err) },
		})
		if err := checkGroups(site, n.agents); err != nil {
			return nil, err
		}
	}
	var err error
	if n.identity, err = identify(o.StateDir, o.HeartbeatDir); err != nil {
		return nil, fmt.Errorf("state of this node in %s: %w", o.StateDir, err)
	}
	n.history = newHistory(n.identity.path(historyFile))
	if err := n.assemble(); err != nil {
		return nil, errors.Join(err, n.identity.lock.Close())
	}
	return n, nil
}

// assemble makes the cores of a node, and the drivers around them.
func (n *Node) assemble() error {
	var err error
	if n.machine, err = machine.New(n.site.Machine(n.identity.Identity)); err != nil {
		return err
	}
	if err := os.MkdirAll(n.options.RunDir, 0o755); err != nil {
		return err
	}
	if n.pool, err = buffer.NewPool(poolSize); err != nil {
		return fmt.Errorf("memory of the payloads: %w", err)
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.answers.waiting = map[uint64]chan control.Answer{}
	if err := n.chooseFrontend(); err != nil {
		return err
	}
	for i := range n.site.Resources {
		d, err := newDevice(n, i, n.identity.Seed)
		if err != nil {
			return fmt.Errorf("resource %s: %w", n.site.Resources[i].Conf.Name, err)
		}
		n.devices = append(n.devices, d)
	}
	if n.site.HA != nil {
		n.openPings()
	}
	return nil
}

// Run runs the node until ctx ends; then the groups go to the peer, the data
// to a state that needs no replay, and Run returns. If the cause of that is
// ErrUpgrade, all stays where it is for the next program.
func (n *Node) Run(ctx context.Context) error {
	defer func() { _ = n.identity.lock.Close() }()
	defer n.pool.Close()
	defer n.stop()
	var err error
	users, groups := n.site.Readers()
	n.control, err = control.Serve(filepath.Join(n.options.RunDir, "control.sock"), control.Handlers{
		Status:  func(context.Context) (any, error) { return n.Status(), nil },
		Order:   n.Order,
		Readers: control.Readers{Users: users, Groups: groups},
	})
	if err != nil {
		return err
	}
	defer func() { _ = n.control.Close() }()
	if n.site.HA != nil {
		if err := n.openBeats(); err != nil {
			return err
		}
		defer n.link.Close()
		n.ping()
	}
	if err := n.identity.claim(); err != nil {
		return fmt.Errorf("state of this node in %s: %w", n.options.StateDir, err)
	}
	n.startRecording()
	loop := make(chan struct{})
	go func() {
		defer close(loop)
		n.loop()
	}()
	for _, d := range n.devices {
		n.working.Go(d.up)
	}
	if err := n.openWitness(); err != nil {
		return err
	}
	n.log.Info("running", "node", n.site.Node, "peer", n.site.Peer, "config", n.site.Dir)
	dog := n.startWatch()
	n.begin(ctx)
	<-ctx.Done()
	if errors.Is(context.Cause(ctx), ErrUpgrade) {
		err = n.handOver()
	} else {
		err = n.leave()
	}
	n.stop()
	<-loop
	n.endTurns()
	n.endRecording()
	n.working.Wait()
	n.endWatch(dog, err)
	for _, d := range n.devices {
		d.close()
	}
	return err
}

// begin goes on where the last daemon was stopped, and only then takes part in
// the cluster.
func (n *Node) begin(ctx context.Context) {
	n.resume(ctx)
	if n.site.HA == nil {
		return
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: failover.Input{
		Kind: failover.Started, Crashed: n.identity.crashed, Text: n.identity.kept,
		Since: n.identity.sinceFailback(time.Now()),
	}})
	n.beat(liveness.Input{Kind: liveness.Start})
	if len(n.site.GuestDirs()) > 0 {
		n.working.Go(n.compareGuests)
	}
	if n.displaced != nil {
		n.working.Go(n.bringBack)
	}
}

// perform carries one effect out, or starts it.
func (n *Node) perform(e *machine.Effect) {
	switch e.Part {
	case machine.Replica:
		n.devices[e.Resource].perform(&e.Replica)
	case machine.Liveness:
		n.performLiveness(&e.Liveness)
	case machine.Failover:
		n.performFailover(&e.Failover)
	case machine.Lease:
		n.performLease(&e.Lease)
	case machine.All:
	}
}

func (n *Node) performLiveness(e *liveness.Effect) {
	switch e.Kind {
	case liveness.Transmit:
		n.link.Send(e.Data)
	case liveness.Drain:
		n.link.Drain()
	case liveness.PeerUp:
		n.tell("peer %s is up", n.site.Peer)
		n.sayGuests()
	case liveness.PeerLate:
		n.tell("peer %s is late: silent for %.1f s", n.site.Peer, e.Silent.Seconds())
	case liveness.PeerDied:
		n.tell("peer %s counts as dead: silent for %.1f s", n.site.Peer, e.Silent.Seconds())
	case liveness.PeerHealed:
		n.tell("peer %s is heard again and has not restarted: the network was cut", n.site.Peer)
	case liveness.CommsUp:
		n.tell("communication with %s is up", n.site.Peer)
		n.rememberPeer()
		n.sayGuests() // the peer may have missed the first
	case liveness.Note:
		n.tell("%s", e.Text)
	case liveness.Heard:
		n.rooms.hear(e.Message, n.working.Go)
	}
}

// rememberPeer keeps the peer's UUID. It is called by who has the turn.
func (n *Node) rememberPeer() {
	uuid := n.machine.Status().Liveness.Peer.UUID
	if uuid == (hbwire.UUID{}) {
		return
	}
	n.working.Go(func() {
		if err := n.identity.remember(n.site.Node, n.site.Peer, uuid); err != nil {
			n.log.Warn("remember the peer", "error", err)
		}
	})
}

func (n *Node) performFailover(e *failover.Effect) {
	switch e.Kind {
	case failover.Do:
		do := *e
		n.working.Go(func() { n.do(do) })
	case failover.Answer:
		n.answers.give(e.ID, control.Answer{OK: e.OK, Text: e.Text})
	case failover.Note:
		n.tell("%s", e.Text)
	case failover.Fence:
		id := e.ID
		n.working.Go(func() { n.fencePeer(id) })
	case failover.Keep:
		id, text := e.ID, e.Text
		n.working.Go(func() { n.keep(id, func() error { return n.identity.keep(id, text) }) })
	case failover.WentBack:
		id, at := e.ID, time.Now()
		n.working.Go(func() { n.keep(id, func() error { return n.identity.keepFailback(at) }) })
	case failover.Weigh:
		id, groups := e.ID, e.Text
		n.working.Go(func() { n.weigh(id, groups) })
	case failover.Left:
		n.once.Do(func() { close(n.left) })
	case failover.Decided:
		n.history.note(e.Text)
	case failover.Held, failover.Say:
	}
}

// tell puts a line into the log and in front of whoever watches.
func (n *Node) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	n.log.Info(text)
	n.publish(Event{Text: text})
}

// Event is one line of what a node does, for those who watch.
type Event struct {
	Time     time.Time `json:"time"`
	Node     string    `json:"node"`
	Resource string    `json:"resource,omitempty"`
	Text     string    `json:"text"`
	// StateWord is there when the state of the resource changed: what it is
	// since the change of this Sequence, as P_STATE packs it. Down says that the
	// resource was taken down.
	StateWord uint32 `json:"state-word,omitempty"`
	Sequence  uint64 `json:"sequence,omitempty"`
	Down      bool   `json:"down,omitempty"`
	// Helper is the handler that was called, or has ended with status Exit.
	Helper string `json:"helper,omitempty"`
	Exit   *int   `json:"exit,omitempty"`
}
