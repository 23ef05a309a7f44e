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
	"time"

	"github.com/optionc/pollux/daemon/config"
)

// The files in which a node keeps who it is. The first two have the names and
// formats of Heartbeat's own. Source: Heartbeat wire, sections 5.1 and 5.2.
const (
	generationFile = "hb_generation"
	uuidFile       = "hb_uuid"
	runningFile    = "running"
)

// identify reads who this node is from its state directory, and counts its
// generation up: durable before the first packet, or peers would take the
// node for a replay. Crashed says that the last run left no sign of a clean
// end.
func identify(dir string) (id config.Identity, crashed bool, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return id, false, err
	}
	if id.UUID, err = readUUID(filepath.Join(dir, uuidFile)); err != nil {
		return id, false, err
	}
	if id.Generation, err = nextGeneration(filepath.Join(dir, generationFile)); err != nil {
		return id, false, err
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return id, false, err
	}
	id.Seed = binary.NativeEndian.Uint64(seed[:])
	running := filepath.Join(dir, runningFile)
	_, err = os.Stat(running)
	crashed = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, false, err
	}
	return id, crashed, writeDurably(running, []byte(strconv.Itoa(os.Getpid())+"\n"))
}

// endCleanly removes the sign of a running daemon.
func endCleanly(dir string) error {
	if err := os.Remove(filepath.Join(dir, runningFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

func readUUID(path string) (uuid [16]byte, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := rand.Read(uuid[:]); err != nil {
			return uuid, err
		}
		return uuid, writeDurably(path, uuid[:])
	case err != nil:
		return uuid, err
	case len(text) < len(uuid):
		return uuid, fmt.Errorf("%s: found %d bytes, want 16: remove it, and this node gets a new uuid", path, len(text))
	}
	copy(uuid[:], text)
	return uuid, nil
}

func nextGeneration(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	generation := uint64(time.Now().Unix())
	if err == nil {
		generation, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: found %q, want a number: remove it, and the generation starts at the time of day",
				path, text)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	generation++
	return generation, writeDurably(path, fmt.Appendf(nil, "%15d\n", generation))
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
