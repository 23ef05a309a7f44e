// Package fence switches the other node off: by stonith(8) of cluster-glue, or
// by a fence agent. Only an exit status of 0 says that it is off.
package fence

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/command"
)

// limit is how long a device may take: some power switches wait for a clean
// shutdown first.
const limit = 2 * time.Minute

// Device is one line stonith or stonith_host of ha.cf.
type Device struct {
	// Type is a plugin of stonith, or the name of a fence agent, as fence_ipmilan.
	Type string
	// Args are the parameters of stonith_host.
	Args []string
	// File has the parameters for stonith.
	File string
	Run  command.Runner
}

// Reset switches a node off, or lets it start anew.
func (d Device) Reset(ctx context.Context, node string) error {
	p := command.Program{Name: "stonith", Args: []string{"-t", d.Type}, Limit: limit}
	switch {
	case strings.HasPrefix(d.Type, "fence_"):
		stdin, err := d.agentInput(node)
		if err != nil {
			return fmt.Errorf("fence %s: %w", node, err)
		}
		p = command.Program{Name: d.Type, Stdin: stdin, Limit: limit}
	case d.File != "":
		p.Args = append(p.Args, "-F", d.File, "-T", "reset", node)
	default:
		p.Args = append(p.Args, "-p", strings.Join(d.Args, " "), "-T", "reset", node)
	}
	if _, err := d.Run(ctx, p); err != nil {
		return fmt.Errorf("fence %s: %w", node, err)
	}
	return nil
}

// agentInput is what a fence agent reads: a line NAME=VALUE for each
// parameter. What is not said is reboot, and the node as the plug. Source:
// ClusterLabs fence agent API.
func (d Device) agentInput(node string) ([]byte, error) {
	lines := slices.Clone(d.Args)
	if d.File != "" {
		text, err := os.ReadFile(d.File)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	given := map[string]bool{}
	for _, line := range lines {
		name, _, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("parameter %q of %s: want NAME=VALUE", line, d.Type)
		}
		given[name] = true
	}
	if !given["action"] {
		lines = append(lines, "action=reboot")
	}
	if !given["port"] && !given["plug"] {
		lines = append(lines, "port="+node)
	}
	return []byte(strings.Join(append(lines, "nodename="+node), "\n") + "\n"), nil
}
