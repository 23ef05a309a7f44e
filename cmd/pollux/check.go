package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func newCheck(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "say what in the configuration will hurt, before it does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			site, err := p.load()
			if err != nil {
				return err
			}
			host := check.Machine(cmd.Context(), command.Exec)
			host.Live, host.LiveErr = p.ask(cmd.Context())
			findings := check.Site(site, host)
			var b strings.Builder
			for _, f := range findings {
				fmt.Fprintln(&b, f)
			}
			bad := check.Count(findings)
			fmt.Fprintf(&b, "%d resources, %d groups: %d to mend, %d to know\n",
				len(site.Resources), len(site.Groups), bad, len(findings)-bad)
			if _, err := io.WriteString(cmd.OutOrStdout(), b.String()); err != nil {
				return err
			}
			if bad > 0 {
				return exitError{errors.New("something has to be mended first"), exitFailed}
			}
			return nil
		},
	}
}

// ask gives the status of the daemon, nil if none runs.
func (p *place) ask(ctx context.Context) (*node.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	live, err := p.status(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return nil, nil //nolint:nilnil // that none runs is no error
	}
	return live, err
}

// askLimit is how long a daemon may take to say how things stand.
const askLimit = 10 * time.Second

func newCreateMD(p *place) *cobra.Command {
	force, stripes, size := false, uint32(0), uint32(0)
	cmd := &cobra.Command{
		Use: "create-md RESOURCE", Short: "write fresh metadata on the disk of a resource", Args: cobra.ExactArgs(1),
		Long: `Write fresh metadata on the disk of a resource. What the disk holds counts as
worthless from then on, until it is declared good by 'primary --force' or
fetched from the peer. A disk that carries metadata is refused without --force,
and so is one with an LVM physical volume that reaches into their place.`,
		ValidArgsFunction: p.completeResource,
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := node.StripingOf(stripes, size)
			if err != nil {
				return err
			}
			return createMD(cmd, p, args[0], force, log)
		},
	}
	cmd.Flags().Uint32Var(&stripes, "al-stripes", 0, "stripes of the activity log, for a RAID below; 1 if not given")
	cmd.Flags().Uint32Var(&size, "al-stripe-size-kB", 0, "size of each stripe in KiB; 32 if not given")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite metadata that is there, or what LVM has in their place")
	return cmd
}

func createMD(cmd *cobra.Command, p *place, name string, force bool, log node.Striping) error {
	site, err := p.load()
	if err != nil {
		return err
	}
	for _, r := range site.Resources {
		if r.Conf.Name != name {
			continue
		}
		found, problem := node.Metadata(r)
		switch {
		case found == "" && problem != nil:
			return problem // there is no room, or no disk
		case found != "" && !force:
			return fmt.Errorf("%s: found %s: overwrite it with --force, and its data is worthless until synced or declared good",
				r.Volume.Disk, found)
		}
		if err := check.Spares(check.Look(cmd.Context(), command.Exec, r), r); err != nil && !force {
			return fmt.Errorf("%w (--force writes it all the same)", err)
		}
		var uuid [8]byte
		if _, err := rand.Read(uuid[:]); err != nil {
			return err
		}
		sectors, err := node.Format(r, binary.NativeEndian.Uint64(uuid[:]), log)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "fresh metadata on %s, %d KiB for data\n", r.Volume.Disk, sectors/2)
		return err
	}
	return exitError{fmt.Errorf("%s: no such resource in %s: %w", name, site.Dir, os.ErrNotExist), exitConfig}
}
