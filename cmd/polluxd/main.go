// Command polluxd replicates disks to the other node, watches whether that
// node lives, and runs the groups of haresources where they belong.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/guard"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/daemon/record"
)

// exitConfig is the exit status after a mistake in a configuration file or on
// the command line.
const exitConfig = 2

// minProcs lets that many system calls be under way at once: a goroutine in a
// short system call keeps its processor for a while, and disks want more than
// one request at a time on small machines too.
const minProcs = 8

func main() {
	unprotected := guard.Process() // first: threads inherit it
	runtime.GOMAXPROCS(max(minProcs, 4*runtime.NumCPU()))
	var o options
	cmd := &cobra.Command{
		Use:   "polluxd",
		Short: "replicate disks to the other node and run guests where they belong",
		Long: `polluxd is the daemon of one node. It reads drbd.conf, and ha.cf, haresources and
authkeys below ha.d, from its configuration directory. On SIGTERM it gives its
groups to the peer, closes its disks cleanly and ends. On SIGUSR2 it replaces
itself by the program that is installed now; the users of block devices wait
for a moment.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o, unprotected) },
	}
	o.register(cmd)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "polluxd:", err)
		if _, ok := errors.AsType[runError](err); ok {
			os.Exit(1)
		}
		os.Exit(exitConfig)
	}
}

// defaultStateDir is the state of a node on a real host.
const defaultStateDir = "/var/lib/pollux"

// runError is an error that is not about the configuration.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

type options struct {
	configDir, stateDir, runDir, agents, node, bind, frontend, lock, engine string
	deadTime                                                                time.Duration
	record                                                                  int64
}

func (o *options) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.configDir, "config-dir", "/etc", "directory with drbd.conf and ha.d")
	f.StringVar(&o.stateDir, "state-dir", defaultStateDir, "directory for who this node is, and whether it ended cleanly")
	f.StringVar(&o.runDir, "run-dir", "/run/pollux", "directory for the sockets")
	f.StringVar(&o.frontend, "frontend", string(node.FrontendAuto), "what makes the devices: kernel (block devices), "+
		"nbd-socket, or auto (kernel for devices in /dev, if it has the nbd driver)")
	f.StringVar(&o.engine, "engine", "", "what replicates all resources: pollux, or kernel (the kernel's DRBD, driven "+
		"through drbd-utils); else 'engine' in drbd.conf says it, which DRBD's own tools refuse to read")
	f.DurationVar(&o.deadTime, "dead-time", 10*time.Minute,
		"how long users of a block device wait for a daemon that died before they get errors")
	f.StringVar(&o.lock, "lock-memory", string(guard.LockTouched),
		"memory that is kept from being swapped: all (about 110 MB), touched, or no")
	f.Int64Var(&o.record, "record", record.DefaultLimit>>20,
		"MiB of what happens here that are kept in the state directory, to be replayed; 0 is nothing")
	f.StringVar(&o.agents, "agents", "", "directory with scripts that replace the built-in resources (for tests)")
	f.StringVar(&o.bind, "bind", "", "address to hear heartbeats on, instead of the interfaces of ha.cf (for tests)")
	f.StringVar(&o.node, "node", "", "name of this node, if not what uname -n says (for tests)")
}

// heartbeatDir is Heartbeat's own on a real host: a node that ran Heartbeat goes
// on as the same one, and goes back to it.
func (o *options) heartbeatDir() string {
	if o.stateDir == defaultStateDir {
		return "/var/lib/heartbeat"
	}
	return o.stateDir
}

// lastKnownDir is drbdadm's own on a real host, so that it finds there what
// polluxd noted, and the other way round.
func (o *options) lastKnownDir() string {
	if o.stateDir == defaultStateDir {
		return node.LastKnownDir
	}
	return o.stateDir
}

func run(ctx context.Context, o options, unprotected []string) error {
	if o.node == "" {
		name, err := config.HostName()
		if err != nil {
			return err
		}
		o.node = name
	}
	site, err := config.Load(o.configDir, o.node)
	if err != nil {
		return err
	}
	if o.engine != "" {
		engine, err := drbdconf.ParseEngine(o.engine)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		site.UseEngine(engine)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	for _, w := range append(site.Warnings, unprotected...) {
		log.Warn(w)
	}
	if err := guard.Memory(guard.Lock(o.lock)); err != nil {
		log.Warn(err.Error())
	}
	var bind netip.Addr
	if o.bind != "" {
		if bind, err = netip.ParseAddr(o.bind); err != nil {
			return fmt.Errorf("--bind: %w", err)
		}
	}
	n, err := node.New(site, node.Options{
		StateDir: o.stateDir, HeartbeatDir: o.heartbeatDir(), LastKnownDir: o.lastKnownDir(), RunDir: o.runDir, Agents: o.agents, Bind: bind, Log: log,
		Frontend: node.Frontend(o.frontend), DeadTime: o.deadTime, Record: o.record << 20, Inherited: inherited(),
	})
	if err != nil {
		return err
	}
	ctx, stop := upgradable(ctx, n, log)
	defer stop()
	err = n.Run(ctx)
	if errors.Is(context.Cause(ctx), node.ErrUpgrade) {
		if err != nil {
			log.Error("the next program has to recover", "cause", err)
		}
		err = replaceProgram(n.Sockets())
	}
	if err != nil {
		return runError{err}
	}
	return nil
}
