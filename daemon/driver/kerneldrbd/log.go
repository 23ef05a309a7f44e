package kerneldrbd

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// logLine is a line of dmesg -r: priority, time, text.
var logLine = regexp.MustCompile(`^<(\d+)>\[[^]]*\] (.*)$`)

// contact is what the driver prints when it looks for its peer, and when a
// handshake has ended well: a complaint from before has nothing to do with what
// came after.
var contact = regexp.MustCompile(`conn\( \w+ -> (WFConnection|Connected|WFBitMap[ST]) \)`)

// warning is the priority of a warning; complaints are graver, which is less.
const warning = 4

// Complaint is what the kernel said when it gave the peer up: the gravest line
// about the last try to connect, "" if there is none. Nothing but the kernel's
// log has it.
func (r Resource) Complaint(ctx context.Context) (string, error) {
	// BusyBox knows no long options.
	out, err := r.Run(ctx, command.Program{Name: "dmesg", Args: []string{"-r"}})
	if err != nil {
		return "", fmt.Errorf("the kernel's log about resource %s: %w", r.Name, err)
	}
	ours := regexp.MustCompile(fmt.Sprintf(`^(?:drbd %s(?:/\d+ drbd\d+)?|block drbd%d): (.*)$`, regexp.QuoteMeta(r.Name), r.Minor))
	gravest, said := warning, ""
	for line := range strings.Lines(string(out.Stdout)) {
		m := logLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		facility, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		priority := facility & 7
		about := ours.FindStringSubmatch(m[2])
		switch {
		case about == nil:
		case contact.MatchString(about[1]):
			gravest, said = warning, ""
		case priority < gravest:
			gravest, said = priority, about[1]
		}
	}
	return said, nil
}
