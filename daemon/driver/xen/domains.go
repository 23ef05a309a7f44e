package xen

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/driver/command"
)

// How long a call of xl may take. Without xenstored each one hangs for ever.
const (
	askLimit     = 20 * time.Second
	orderLimit   = 30 * time.Second
	createLimit  = 2 * time.Minute
	destroyLimit = 30 * time.Second
	pollInterval = 500 * time.Millisecond
)

// A domain is one line of xl list.
type domain struct {
	id int
	// state is six letters or dashes: running, blocked, paused, shut down,
	// crashed, dying. Source: xl(1), list.
	state string
	// memory is what it has, in MiB.
	memory uint64
}

// dom0 is the name of the domain that manages all others.
const dom0 = "Domain-0"

func (d domain) has(letter string) bool { return strings.Contains(d.state, letter) }

// trouble is what keeps a domain from doing its work, or "".
func (d domain) trouble() string {
	switch {
	case d.has("c"):
		return "crashed"
	case d.has("d"):
		return "is dying"
	case d.has("s"):
		return "is shut down"
	case d.has("p"):
		return "is paused"
	default:
		return ""
	}
}

// columns is the number of those that follow the name in xl list.
const columns = 5

// domains are all domains that Xen has, by name.
func (g Guests) domains(ctx context.Context) (map[string]domain, error) {
	out, err := g.xl(ctx, askLimit, "list")
	if err != nil {
		return nil, err
	}
	domains := map[string]domain{}
	lines := strings.Split(strings.TrimRight(string(out.Stdout), "\n"), "\n")
	if !strings.HasPrefix(lines[0], "Name ") {
		return nil, fmt.Errorf("xl list printed no table: %.100q", out.Stdout)
	}
	for _, line := range lines[1:] {
		// Name ID Mem VCPUs State Time(s); other people's names may have blanks.
		fields := strings.Fields(line)
		first := len(fields) - columns
		if first < 1 {
			return nil, fmt.Errorf("xl list printed %q: want a name and %d columns", line, columns)
		}
		id, err := strconv.Atoi(fields[first])
		if err != nil {
			return nil, fmt.Errorf("xl list printed %q: %w", line, err)
		}
		memory, err := strconv.ParseUint(fields[first+1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("xl list printed %q: %w", line, err)
		}
		domains[strings.Join(fields[:first], " ")] = domain{id: id, state: fields[first+3], memory: memory}
	}
	if _, ok := domains[dom0]; !ok {
		return nil, errors.New("xl list shows no Domain-0: its answer can't be complete")
	}
	return domains, nil
}

// xl runs xl; an error has the cause that xl names first, because its last
// lines are the same for every failed creation.
func (g Guests) xl(ctx context.Context, limit time.Duration, args ...string) (command.Result, error) {
	out, err := g.Run(ctx, command.Program{Name: "xl", Args: args, Limit: limit})
	var exit *command.ExitError
	if !errors.As(err, &exit) {
		return out, err
	}
	for line := range strings.Lines(string(out.Stderr)) {
		for _, prefix := range []string{"libxl: error: ", "xc: error: "} {
			if cause, ok := strings.CutPrefix(line, prefix); ok {
				first := *exit
				first.Cause = strings.TrimSpace(cause)
				return out, &first
			}
		}
	}
	return out, err
}
