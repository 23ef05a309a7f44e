package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/cmd/pollux/drbdadm"
	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/cmd/pollux/hbtools"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// A tool is another program that pollux stands in for: it is that program when
// it is called by its name, and the command of that name otherwise.
type tool struct {
	name, short string
	run         func(ctx context.Context, p *place, out, complaints io.Writer, args []string) int
}

func tools() []tool {
	return []tool{
		{"drbdadm", "be drbdadm of DRBD 8.4, for scripts that call it", runDrbdadm},
		{"drbdsetup", "be drbdsetup of DRBD 8.4, for scripts that call it", runDrbdsetup},
		{"cl_status", "be cl_status of Heartbeat 3, for scripts that call it", runClStatus},
		{"hb_standby", "be hb_standby of Heartbeat 3, for scripts that call it", runMove("hb_standby")},
		{"hb_takeover", "be hb_takeover of Heartbeat 3, for scripts that call it", runMove("hb_takeover")},
	}
}

// toolNamed is the tool that a program of that name is.
func toolNamed(program string) (tool, bool) {
	for _, t := range tools() {
		if program == t.name || program == t.name+"-84" {
			return t, true
		}
	}
	return tool{}, false
}

// toolCommands are the tools as commands of pollux. Their arguments are their
// own business.
func toolCommands(p *place) []*cobra.Command {
	var list []*cobra.Command
	for _, t := range tools() {
		list = append(list, &cobra.Command{
			Use: t.name, Short: t.short, DisableFlagParsing: true,
			Long: t.short + ". A link of that name to pollux does the same.",
			RunE: func(cmd *cobra.Command, args []string) error {
				args = p.take(args)
				if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
					return cmd.Help()
				}
				if status := t.run(cmd.Context(), p, cmd.OutOrStdout(), cmd.ErrOrStderr(), args); status != 0 {
					return exitError{errSaid, status}
				}
				return nil
			},
		})
	}
	return list
}

// take takes the flags of pollux out of the arguments of a tool, which has none
// of those names.
func (p *place) take(args []string) []string {
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		field, ours := map[string]*string{
			"--config-dir": &p.configDir, "--run-dir": &p.runDir, "--node": &p.node,
		}[name]
		switch {
		case !ours:
			rest = append(rest, args[i])
			continue
		case !hasValue && i+1 < len(args):
			i++
			value = args[i]
		}
		*field = value
	}
	return rest
}

// errSaid is an error that was explained already.
var errSaid = errors.New("failed")

func runDrbdsetup(ctx context.Context, p *place, out, complaints io.Writer, args []string) int {
	return p.drbdsetup(out, complaints).Run(ctx, args)
}

func (p *place) drbdsetup(out, complaints io.Writer) *drbdsetup.Tool {
	return &drbdsetup.Tool{Stdout: out, Stderr: complaints, Dial: func() (drbdsetup.Daemon, error) { return p.dial() }}
}

func runDrbdadm(ctx context.Context, p *place, out, complaints io.Writer, args []string) int {
	name := p.node
	if name == "" {
		var err error
		if name, err = config.HostName(); err != nil {
			_, _ = fmt.Fprintln(complaints, err)
			return drbdsetup.ExitFailed
		}
	}
	t := drbdadm.Tool{
		Stdout: out, Stderr: complaints, Stdin: os.Stdin, ConfigDir: p.configDir, Node: name,
		Setup: p.drbdsetup(out, complaints),
	}
	return t.Run(ctx, args)
}

func (p *place) hbtool(out, complaints io.Writer) (*hbtools.Tool, error) {
	name := p.node
	if name == "" {
		var err error
		if name, err = config.HostName(); err != nil {
			return nil, err
		}
	}
	return &hbtools.Tool{
		Stdout: out, Stderr: complaints, Node: name,
		Dial: func() (hbtools.Daemon, error) { return p.dial() },
		HA: func() (*haconf.HA, error) {
			file := filepath.Join(p.configDir, "ha.d", "ha.cf")
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			return haconf.ParseHA(file, text)
		},
	}, nil
}

func runClStatus(ctx context.Context, p *place, out, complaints io.Writer, args []string) int {
	t, err := p.hbtool(out, complaints)
	if err != nil {
		_, _ = fmt.Fprintln(complaints, err)
		return exitFailed
	}
	return t.Status(ctx, args)
}

func runMove(name string) func(context.Context, *place, io.Writer, io.Writer, []string) int {
	return func(ctx context.Context, p *place, out, complaints io.Writer, args []string) int {
		t, err := p.hbtool(out, complaints)
		if err != nil {
			_, _ = fmt.Fprintln(complaints, err)
			return exitFailed
		}
		return t.Move(ctx, name, args)
	}
}

func newProc(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "proc", Short: "print what /proc/drbd says where the kernel's DRBD runs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			var list []drbdtext.Resource
			for i := range s.Resources {
				list = append(list, s.Resources[i].Text(s.Peer))
			}
			_, err = io.WriteString(cmd.OutOrStdout(), drbdtext.Proc("pollux", list))
			return err
		},
	}
}

// fromEnv is a default that the environment can set. The scripts that polluxd
// starts have it, so that what they call finds the daemon.
func fromEnv(name, otherwise string) string {
	if value := strings.TrimSpace(os.Getenv(name)); value != "" {
		return value
	}
	return otherwise
}
