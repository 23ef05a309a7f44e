// Command pollux-witness is the third place: it tells which node of a pair may
// run a group when the nodes can't reach each other. One serves many pairs. It
// keeps nothing but its key.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	core "github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/driver/clock"
	"github.com/optionc/pollux/daemon/driver/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pollux-witness:", err)
		os.Exit(1)
	}
}

type options struct {
	key, nodes, listen string
	longest            time.Duration
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use: "pollux-witness", Short: "tell which node of a pair may run a group when they can't reach each other",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.key, "key", "/etc/pollux-witness.key", "file of the private key; made if it is not there")
	pin := &cobra.Command{
		Use: "pin", Short: "print the pin of the key, for the line 'witness HOST:PORT PIN' in ha.cf", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := witness.LoadKey(o.key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Pin)
			return err
		},
	}
	run := &cobra.Command{
		Use: "run", Short: "answer the nodes", Args: cobra.NoArgs,
		Long: `Answer the nodes. Who may ask stands in a file, one node a line: the name of its
cluster, which is the names of both nodes in order, as milo1+milo2; its own name;
and its pin, which 'pollux status' prints there.

A witness that starts anew gives no lease to a node that can't show that it has
it, for as long as --longest. So that may become shorter only while no lease of
that length is left.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	run.Flags().StringVar(&o.nodes, "nodes", "/etc/pollux-witness.nodes", "file of the nodes that may ask")
	run.Flags().StringVar(&o.listen, "listen", ":7790", "address to listen on")
	run.Flags().DurationVar(&o.longest, "longest", time.Minute, "the longest lease that is given")
	root.AddCommand(pin, run)
	return root
}

func (o options) run(ctx context.Context) error {
	if o.longest < time.Second {
		return fmt.Errorf("--longest: found %v, want a time as long as 'lease' in ha.cf of the nodes, or longer", o.longest)
	}
	key, err := witness.LoadKey(o.key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.nodes)
	if err != nil {
		return fmt.Errorf("read who may ask, a line CLUSTER NODE PIN for each node: %w", err)
	}
	members, err := witness.ParseMembers(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.nodes, err)
	}
	if len(members) == 0 {
		return fmt.Errorf("%s: found no node, want a line CLUSTER NODE PIN for each", o.nodes)
	}
	var incarnation [8]byte
	if _, err := rand.Read(incarnation[:]); err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen) //nolint:noctx // it ends with Serve
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("running", "listen", l.Addr().String(), "pin", key.Pin, "nodes", len(members))
	running := clock.New()
	voter := core.NewVoter(0, o.longest, binary.BigEndian.Uint64(incarnation[:])|1)
	server := witness.Server{
		Key: key, Members: members, Log: func(text string) { log.Info(text) },
		Ask: func(ask witnesswire.Ask) (witnesswire.Answer, bool) { return voter.Ask(running.Now(), ask) },
	}
	if err := server.Serve(ctx, l); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
