package check

import (
	"errors"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// guests finds out whether the guests of groups could start here: nobody asks
// before the other node has died.
func (c *checker) guests() {
	dirs := c.site.GuestDirs()
	if c.host.Guests == nil || len(dirs) == 0 {
		return
	}
	where := strings.Join(dirs, ", ")
	s := c.host.Guests(c.site)
	for _, err := range s.Unreadable {
		c.mend(where, "%v", err)
	}
	for _, mistake := range s.Mistakes {
		c.mend(where, "%s; until then it counts as not said", mistake)
	}
	if s.Live != "" {
		c.note(where, "%s", s.Live)
	}
	switch {
	case errors.Is(s.Err, command.ErrNotFound):
		c.note(where, "xl is not there: this node can start no guest")
	case s.Err != nil:
		c.note(where, "whether there is the memory for the guests could not be asked: %v", s.Err)
	}
	if err := s.Fits(); err != nil {
		c.mend(where, "this node can't take the guests over: %v. Give them less, dom0 less, or let 'displace' in ha.cf name what "+
			"this node runs for itself", err)
	}
}
