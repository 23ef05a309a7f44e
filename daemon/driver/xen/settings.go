package xen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What pollux adds to a guest's file. xl passes over settings that it does not
// know.
const (
	settingOrder    = "pollux_order"
	settingShutdown = "pollux_shutdown"
	settingMove     = "pollux_move"
	settingImage    = "pollux_image"
)

// usualOrder is the order of a guest whose file says none, maxOrder the highest.
const (
	usualOrder = 100
	maxOrder   = 999
)

// maxPatience is the longest time to shut down that a file may give: longer ones
// are typing errors.
const maxPatience = 24 * time.Hour

// A guest is one configured guest.
type guest struct {
	name string
	file string
	// order: those with a lower one are started before, and shut down after it.
	order int
	// patience is how long it has to shut down; negative if its file does not say.
	patience time.Duration
	// memory is what it starts with, in MiB; 0 if its file does not say.
	memory uint64
	// live: its file asks for a live migration, which is not done.
	live bool
	// image is the volume for its memory, if it is saved instead of shut down.
	image string
	// mistakes are in what pollux alone reads. No guest is down for that: what was
	// not understood counts as not said.
	mistakes []string
}

// settingLine is a line of a configuration that sets something to a string or a
// number. Source: xl.cfg(5).
var settingLine = regexp.MustCompile(
	`(?m)^[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|(-?[0-9][0-9A-Fa-fxX]*))`)

// settings are a file's strings and numbers by name. Of two settings of the same
// name xl uses the last.
func settings(text []byte) map[string]string {
	found := map[string]string{}
	for _, m := range settingLine.FindAllSubmatch(text, -1) {
		found[string(m[1])] = string(m[2]) + string(m[3]) + string(m[4])
	}
	return found
}

// number is a setting between limits, or usual if the file has it not. Those with
// a leading 0 are octal, as for xl.
func (g *guest) number(set map[string]string, name string, usual, most int64) int64 {
	text, ok := set[name]
	if !ok {
		return usual
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n < 0 || n > most {
		g.mistakes = append(g.mistakes, fmt.Sprintf("%s: found %s = %q, want a number from 0 to %d", g.file, name, text, most))
		return usual
	}
	return n
}

// read reads a guest's file.
func read(file string) (guest, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return guest{}, fmt.Errorf("read a guest's configuration: %w", err)
	}
	set := settings(text)
	g := guest{name: set["name"], file: file}
	if _, ok := set["name"]; !ok {
		return g, fmt.Errorf(`%s names no guest: want a line like name = "web1"`, file)
	}
	if g.name == "" || strings.ContainsAny(g.name, " \t/") {
		return g, fmt.Errorf("%s: %q is no name of a guest", file, g.name)
	}
	g.order = int(g.number(set, settingOrder, usualOrder, maxOrder))
	g.patience = time.Duration(g.number(set, settingShutdown, -1, int64(maxPatience/time.Second))) * time.Second
	g.memory = memoryOf(set)
	g.readMove(set, text)
	return g, nil
}

// readMove reads how the guest moves from node to node: "stop" is to shut it down
// here and boot it there.
func (g *guest) readMove(set map[string]string, text []byte) {
	image := set[settingImage]
	beside := path.Dir(image) + "/"
	switch move := set[settingMove]; {
	case move == "" || move == "stop":
	case move == "live":
		g.live = true
		g.mistakes = append(g.mistakes, fmt.Sprintf("%s: found %s = \"live\", want \"save\" or \"stop\"", g.file, settingMove))
	case move != "save":
		g.mistakes = append(g.mistakes, fmt.Sprintf("%s: found %s = %q, want \"save\" or \"stop\"", g.file, settingMove, move))
	case !path.IsAbs(image) || strings.Count(string(text), beside) < 2:
		// On another device it could be of another time than the disk.
		g.mistakes = append(g.mistakes, fmt.Sprintf("%s: found %s = %q, want a volume of the group that has the guest's disk, as "+
			"\"/dev/my_vg/%s_memory\"", g.file, settingImage, image, g.name))
	default:
		g.image = image
	}
}

// memoryOf is what a guest starts with: memory, or maxmem if that is all that is
// said. What xl would not take is for xl to refuse.
func memoryOf(set map[string]string) uint64 {
	for _, name := range []string{"memory", "maxmem"} {
		if mib, err := strconv.ParseUint(set[name], 0, 32); err == nil {
			return mib
		}
	}
	return 0
}

// configured reads the guests' files, in the order in which they start. A
// directory that can't be read is an error: there may be guests in it.
func (g Guests) configured() ([]guest, error) {
	files := g.Files
	if files == nil {
		var err error
		if files, err = filesIn(g.dir()); err != nil {
			return nil, err
		}
	}
	var guests []guest
	for _, file := range files {
		read, err := read(file)
		if err != nil {
			return nil, err
		}
		if err := twice(read, guests); err != nil {
			return nil, err
		}
		guests = append(guests, read)
	}
	slices.SortStableFunc(guests, byOrder)
	return guests, nil
}

func byOrder(a, b guest) int { return a.order - b.order }

// filesIn are the guests' files of a directory.
func filesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the guests' configurations: %w", err)
	}
	files := []string{}
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if leftover(entry.Name()) {
			continue
		}
		if info, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read a guest's configuration: %w", err)
		} else if info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files, nil
}

// Digest tells the guests of directories apart: their files' names, and what these
// say but for comments that have a line to themselves. It is "" if there are none.
func Digest(dirs ...string) (string, error) {
	all, found := sha256.New(), false
	for _, dir := range dirs {
		files, err := filesIn(dir)
		if err != nil {
			return "", err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("read a guest's configuration: %w", err)
			}
			found = true
			_, _ = fmt.Fprintf(all, "%s\n", filepath.Base(file))
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					_, _ = fmt.Fprintf(all, "\t%s\n", line)
				}
			}
		}
	}
	if !found {
		return "", nil
	}
	return hex.EncodeToString(all.Sum(nil)[:digestSize]), nil
}

// digestSize is how many bytes of a SHA-256 tell two directories apart.
const digestSize = 8

// leftover says that a file of that name was left by an editor or a package
// manager, or is hidden.
func leftover(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.EqualFold(name, "README") {
		return true
	}
	return slices.ContainsFunc([]string{
		"~", ".bak", ".orig", ".rej", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmnew", ".rpmsave", ".disabled",
	}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// levels are guests cut where their order changes.
func levels(guests []guest) (cut [][]guest) {
	for i, g := range guests {
		if i == 0 || g.order != guests[i-1].order {
			cut = append(cut, nil)
		}
		cut[len(cut)-1] = append(cut[len(cut)-1], g)
	}
	return cut
}
