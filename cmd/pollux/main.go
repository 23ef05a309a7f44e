// Command pollux tells what the daemon does, and tells the daemon what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/cmd/pollux/demo"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// Exit statuses. Those of a refused order are drbdsetup's, so that scripts
// that look at them go on working.
const (
	exitFailed  = 1
	exitConfig  = 2
	exitRefused = 11
	exitNoData  = 17
)

// exitError is an error with an exit status of its own.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if t, ok := toolNamed(filepath.Base(os.Args[0])); ok {
		p := places()
		os.Exit(t.run(ctx, &p, os.Stdout, os.Stderr, os.Args[1:]))
	}
	err := newRoot().ExecuteContext(ctx)
	if err == nil {
		return
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "pollux:", err)
	}
	os.Exit(exitStatus(err))
}

func exitStatus(err error) int {
	if exit, ok := errors.AsType[exitError](err); ok {
		return exit.status
	}
	return exitFailed
}

// place says where the daemon and its configuration are.
type place struct {
	configDir, runDir, node string
}

// places are where everything is if nobody says otherwise.
func places() place {
	return place{
		configDir: fromEnv("POLLUX_CONFIG_DIR", "/etc"), runDir: fromEnv("POLLUX_RUN_DIR", "/run/pollux"),
		node: fromEnv("POLLUX_NODE", ""),
	}
}

func newRoot() *cobra.Command {
	p := places()
	root := &cobra.Command{
		Use:           "pollux",
		Short:         "keep guests alive when their host, or its whole site, dies",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	f := root.PersistentFlags()
	f.StringVar(&p.configDir, "config-dir", p.configDir, "directory with drbd.conf and ha.d")
	f.StringVar(&p.runDir, "run-dir", p.runDir, "directory with the daemon's sockets")
	f.StringVar(&p.node, "node", p.node, "name of this node, if not what uname -n says (for tests)")
	root.AddCommand(newStatus(&p), newWhy(&p), newHistory(&p), newRecord(&p), newEvents(&p), newCheck(&p), newCreateMD(&p), newMeta(), newProc(&p), newDissect(),
		demo.Command(), demo.GuestCommand())
	root.AddCommand(resourceOrders(&p)...)
	root.AddCommand(newVerify(&p))
	root.AddCommand(groupOrders(&p)...)
	root.AddCommand(newMaintenance(&p))
	root.AddCommand(newExplain(&p), newPlan(&p))
	root.AddCommand(toolCommands(&p)...)
	explainArguments(root)
	return root
}

func (p *place) dial() (*control.Client, error) {
	return control.Dial(filepath.Join(p.runDir, "control.sock"))
}

// status asks the daemon how everything stands.
func (p *place) status(ctx context.Context) (*node.Status, error) {
	client, err := p.dial()
	if err != nil {
		return nil, err
	}
	var s node.Status
	if err := client.Status(ctx, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// completeResource offers the resources of drbd.conf to a shell.
func (p *place) completeResource(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	site, err := p.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, r := range site.Resources {
		names = append(names, r.Conf.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// load reads the configuration; a mistake in it ends with status 2.
func (p *place) load() (*config.Site, error) {
	node := p.node
	if node == "" {
		var err error
		if node, err = config.HostName(); err != nil {
			return nil, err
		}
	}
	site, err := config.Load(p.configDir, node)
	if err != nil {
		return nil, exitError{err, exitConfig}
	}
	return site, nil
}
