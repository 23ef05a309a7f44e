package control

import (
	"os"
	"os/user"
	"slices"
	"strconv"
)

// Readers are the users who may ask for status and events, besides those who
// may give orders. They may give none.
type Readers struct {
	Users, Groups []string // names, or numbers
}

// caller is who is at the other end of a connection, as the kernel says.
type caller struct{ uid, gid uint32 }

// right is what a caller may do.
type right uint8

const (
	nothing right = 0
	asks    right = 1
	orders  right = 2
)

// rights are the numbers of Readers. Names that this host does not have are
// left out.
type rights struct {
	own        uint32
	uids, gids []uint32
}

func (r Readers) resolve() rights {
	all := rights{own: uint32(os.Geteuid())}
	for _, name := range r.Users {
		id := name
		if u, err := user.Lookup(name); err == nil {
			id = u.Uid
		}
		if n, ok := number(id); ok && n != 0 && n != all.own {
			all.uids = append(all.uids, n)
		}
	}
	for _, name := range r.Groups {
		id := name
		if g, err := user.LookupGroup(name); err == nil {
			id = g.Gid
		}
		if n, ok := number(id); ok {
			all.gids = append(all.gids, n)
		}
	}
	slices.Sort(all.gids)
	all.gids = slices.Compact(all.gids)
	return all
}

func number(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}

// of is what a caller may do.
func (r rights) of(c caller) right {
	switch {
	case c.uid == 0 || c.uid == r.own:
		return orders
	case slices.Contains(r.uids, c.uid) || slices.Contains(r.gids, c.gid):
		return asks
	case len(r.gids) == 0:
		return nothing
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(c.uid), 10))
	if err != nil {
		return nothing
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nothing
	}
	for _, id := range groups {
		if n, ok := number(id); ok && slices.Contains(r.gids, n) {
			return asks
		}
	}
	return nothing
}

// open lets those connect to the socket that may do something, as far as a mode
// can say it; of is what counts.
func (r rights) open(path string) error {
	switch {
	case len(r.uids) == 0 && len(r.gids) == 0:
		return os.Chmod(path, 0o600)
	case len(r.uids) == 0 && len(r.gids) == 1 && os.Chown(path, -1, int(r.gids[0])) == nil:
		return os.Chmod(path, 0o660)
	}
	return os.Chmod(path, 0o666)
}
