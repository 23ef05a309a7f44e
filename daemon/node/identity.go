package node

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// The files in which a node keeps who it is. The first three have the names and
// formats of Heartbeat's own. Source: Heartbeat wire, sections 5.1 and 5.2.
const (
	generationFile = "hb_generation"
	uuidFile       = "hb_uuid"
	hostCache      = "hostcache"
	runningFile    = "running"
)

// identity is who a node is, kept in its state directory, which it has for
// itself alone. What Heartbeat keeps as well is in a directory that may be
// Heartbeat's: the node goes on as the one that it was there.
type identity struct {
	config.Identity
	// crashed: the last run left no sign of a clean end.
	crashed bool
	// kept is what the failover core had kept when this program started.
	kept     string
	wentBack time.Time // groups, to the peer, for the last time; zero: never
	keeping  sync.Mutex
	newest   uint64 // number of what was kept last

	dir   string
	beats string // of the UUID and the generation
	lock  *os.File
	new   bool // the UUID is in no file yet
}

// identify reads who this node is. Nothing is written before claim, so that a
// start that is refused for another reason leaves no trace.
func identify(dir, beats string) (*identity, error) {
	if beats == "" {
		beats = dir
	}
	id := &identity{dir: dir, beats: beats}
	if err := id.hold(); err != nil {
		return nil, err
	}
	if err := id.read(); err != nil {
		return nil, errors.Join(err, id.lock.Close())
	}
	return id, nil
}

func (id *identity) read() error {
	if err := id.readUUID(); err != nil {
		return err
	}
	if err := id.readGeneration(); err != nil {
		return err
	}
	if err := id.readKept(); err != nil {
		return err
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return err
	}
	id.Seed = binary.NativeEndian.Uint64(seed[:])
	_, err := os.Stat(id.path(runningFile))
	if id.crashed = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (id *identity) path(name string) string {
	if name == runningFile || name == maintenanceFile || name == failbackFile {
		return filepath.Join(id.dir, name)
	}
	return filepath.Join(id.beats, name)
}

// hold keeps every other daemon from this directory, until this one ends or
// dies.
func (id *identity) hold() error {
	if err := os.MkdirAll(id.dir, 0o755); err != nil {
		return err
	}
	var err error
	if id.lock, err = os.Open(id.dir); err != nil {
		return err
	}
	err = unix.Flock(int(id.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another polluxd runs with it: end that one, or give this one another --state-dir")
	}
	if err != nil {
		return errors.Join(err, id.lock.Close())
	}
	return nil
}

// claim makes it known that this node runs, in a new generation: durable
// before the first packet, or peers would take the node for a replay.
func (id *identity) claim() error {
	if err := os.MkdirAll(id.beats, 0o755); err != nil {
		return err
	}
	if id.new {
		if err := writeDurably(id.path(uuidFile), id.UUID[:]); err != nil {
			return err
		}
	}
	if err := writeDurably(id.path(generationFile), fmt.Appendf(nil, "%15d\n", id.Generation)); err != nil {
		return err
	}
	return writeDurably(id.path(runningFile), []byte(strconv.Itoa(os.Getpid())+"\n"))
}

// remember keeps the nodes that are known, as Heartbeat does: a line for each
// with its name, its UUID, its weight and its site. Source: Heartbeat wire,
// section 5.2.
func (id *identity) remember(node, peer string, uuid hbwire.UUID) error {
	var text []byte
	for _, n := range []struct {
		name string
		uuid hbwire.UUID
	}{{node, id.UUID}, {peer, uuid}} {
		u := n.uuid
		text = fmt.Appendf(text, "%s\t%x-%x-%x-%x-%x\t100\t\n", strings.ToLower(n.name), u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	return writeDurably(id.path(hostCache), text)
}

// endCleanly removes the sign of a running daemon.
func (id *identity) endCleanly() error {
	if err := os.Remove(id.path(runningFile)); err != nil {
		return err
	}
	return syncDir(id.dir)
}

func (id *identity) readUUID() error {
	text, err := os.ReadFile(id.path(uuidFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id.new = true
		_, err := rand.Read(id.UUID[:])
		return err
	case err != nil:
		return err
	case len(text) < len(id.UUID):
		return fmt.Errorf("%s: found %d bytes, want %d: remove it, and this node gets a new uuid",
			id.path(uuidFile), len(text), len(id.UUID))
	}
	copy(id.UUID[:], text)
	return nil
}

func (id *identity) readGeneration() error {
	text, err := os.ReadFile(id.path(generationFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id.Generation = uint64(time.Now().Unix())
	case err != nil:
		return err
	default:
		if id.Generation, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63); err != nil {
			return fmt.Errorf("%s: found %.40q, want a number: remove it, and the generation starts at the time of day",
				id.path(generationFile), text)
		}
	}
	id.Generation++
	return nil
}

// writeDurably replaces a file as a whole: after a crash the old or the new
// content is there.
func writeDurably(path string, data []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
