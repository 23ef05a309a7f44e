// Package config reads what a node is configured to do: drbd.conf, and ha.cf,
// haresources and authkeys below ha.d, all in one directory, which is /etc on
// a host. It turns them into what the cores and drivers need.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Site is everything that is configured on this node.
type Site struct {
	Dir       string
	Node      string // as in the files: what uname -n says, or the override
	Peer      string
	DRBD      *drbdconf.Config
	Resources []Resource
	// HA is nil on a node that only replicates.
	HA     *haconf.HA
	Groups haconf.Resources
	Keys   hbwire.Keys
	// Files are digests of drbd.conf, as it stands, and of what haresources says,
	// for the peer to compare.
	Files machine.Files
	// Warnings are for a human: what is ignored, or will hurt.
	Warnings []string

	noDRBD error // why there is no drbd.conf
}

// Resource is one resource as this node has it.
type Resource struct {
	Conf      *drbdconf.Resource
	Own, Peer *drbdconf.Host
	Volume    *drbdconf.Volume
}

// HostName is the name that the files must use for this node.
func HostName() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of this node: %w", err)
	}
	return name, nil
}

// Load reads the directory for the node of that name. Every mistake in a file
// is in the error, with its place.
func Load(dir, node string) (*Site, error) {
	s := &Site{Dir: dir, Node: node}
	if err := s.loadDRBD(); err != nil {
		return nil, err
	}
	if err := s.loadHA(); err != nil {
		return nil, err
	}
	return s, nil
}

// digestSize is how many bytes of a SHA-256 tell two files apart.
const digestSize = 8

func (s *Site) loadDRBD() error {
	all := sha256.New()
	read := func(path string) ([]byte, error) {
		text, err := os.ReadFile(path)
		all.Write(text)
		return text, err
	}
	conf, err := drbdconf.Parse(filepath.Join(s.Dir, "drbd.conf"), read, filepath.Glob)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.has("ha.d/ha.cf"):
		s.DRBD, s.noDRBD = &drbdconf.Config{}, err
		return nil
	case err != nil:
		return err
	}
	s.DRBD, s.Files.DRBD = conf, hex.EncodeToString(all.Sum(nil)[:digestSize])
	for _, w := range conf.Warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	for i := range conf.Resources {
		r := &conf.Resources[i]
		if slices.Contains(r.IgnoreOn, s.Node) {
			continue
		}
		if err := s.addResource(r); err != nil {
			return err
		}
	}
	return nil
}

// has tells whether there is a file of that name.
func (s *Site) has(name string) bool {
	_, err := os.Stat(filepath.Join(s.Dir, name))
	return err == nil
}

func (s *Site) addResource(r *drbdconf.Resource) error {
	own, ok := r.Host(s.Node)
	if !ok {
		return fmt.Errorf("%s: found resource %s on %s, want a section 'on %s': node names must be what uname -n says",
			r.Pos, r.Name, hostNames(r), s.Node)
	}
	peer, _ := r.Peer(s.Node)
	if s.Peer == "" && len(peer.Names) > 0 {
		s.Peer = peer.Names[0]
	}
	if len(own.Volumes) != 1 {
		return fmt.Errorf("%s: found %d volumes in resource %s, want one: this version replicates one volume a resource",
			own.Pos, len(own.Volumes), r.Name)
	}
	volume := &own.Volumes[0]
	switch {
	case volume.Number != 0:
		return fmt.Errorf("%s: found volume %d in resource %s, want volume 0", own.Pos, volume.Number, r.Name)
	case volume.Disk == "":
		return fmt.Errorf("%s: found no disk in resource %s, want one: this version does not run without", own.Pos, r.Name)
	case r.Net.AllowTwoPrimaries && r.Engine == drbdconf.EnginePollux:
		return fmt.Errorf("%s: found allow-two-primaries in resource %s, want no: two Primaries are not supported",
			r.Pos, r.Name)
	}
	if r.Engine == drbdconf.EnginePollux {
		if err := checkAlgorithms(r); err != nil {
			return err
		}
		s.warnAbout(r)
	}
	s.Resources = append(s.Resources, Resource{Conf: r, Own: own, Peer: peer, Volume: volume})
	return nil
}

// UseEngine lets an engine replicate all resources, whatever drbd.conf says.
func (s *Site) UseEngine(e drbdconf.Engine) {
	for i := range s.Resources {
		s.Resources[i].Conf.Engine = e
	}
}

// checkAlgorithms refuses digests that this node can't make: the peer would be
// met once, and never again.
func checkAlgorithms(r *drbdconf.Resource) error {
	for _, o := range []struct{ name, alg string }{
		{"data-integrity-alg", r.Net.DataIntegrityAlg},
		{"csums-alg", r.Net.CSumsAlg},
		{"verify-alg", r.Net.VerifyAlg},
	} {
		if o.alg == "" {
			continue
		}
		if _, err := drbdwire.DigestSize(o.alg); err != nil {
			return fmt.Errorf("%s: resource %s: %s: %w", r.Pos, r.Name, o.name, err)
		}
	}
	return nil
}

// warnAbout tells what is accepted and not acted on, so that nobody relies on
// it.
func (s *Site) warnAbout(r *drbdconf.Resource) {
	warn := func(on bool, what string) {
		if on {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s: resource %s: %s", r.Pos, r.Name, what))
		}
	}
	d := r.Disk
	warn(d.Fencing != drbdconf.DontCare && r.Handlers[replica.HandlerFencePeer] == "",
		"fencing without a handler fence-peer: a node that loses its peer gets no further")
	own, ok := r.Host(s.Node)
	if !ok {
		return
	}
	d = own.Volumes[0].Options
	warn(d.ReadBalancing != drbdconf.PreferLocal, "read-balancing has no effect: reads are local while the own disk is UpToDate")
	warn(own.Options.CPUMask != "", "cpu-mask has no effect")
	warn(!d.ALUpdates, "al-updates no has no effect: the activity log is always kept")
}

func hostNames(r *drbdconf.Resource) string {
	var names []string
	for _, h := range r.Hosts {
		names = append(names, h.Names...)
	}
	return strings.Join(names, " and ")
}

// loadHA reads ha.d. Without an ha.cf the node only replicates.
func (s *Site) loadHA() error {
	path := func(name string) string { return filepath.Join(s.Dir, "ha.d", name) }
	text, err := os.ReadFile(path("ha.cf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.HA, err = haconf.ParseHA(path("ha.cf"), text); err != nil {
		return err
	}
	for _, w := range s.HA.Warnings {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s:%d: %s", path("ha.cf"), w.Line, w.Text))
	}
	if err := s.findPeer(path("ha.cf")); err != nil {
		return err
	}
	if text, err = os.ReadFile(path("haresources")); err != nil {
		return err
	}
	if s.Groups, err = haconf.ParseResources(path("haresources"), text, s.HA.Nodes); err != nil {
		return err
	}
	s.Files.Resources = digest(s.Groups)
	if err := s.checkRoles(path("haresources")); err != nil {
		return err
	}
	if text, err = os.ReadFile(path("authkeys")); err != nil {
		return err
	}
	info, err := os.Stat(path("authkeys"))
	if err != nil {
		return err
	}
	s.Keys, err = haconf.ParseKeys(path("authkeys"), text, uint32(info.Mode().Perm()))
	away := slices.ContainsFunc(s.HA.Media, func(m haconf.Medium) bool { return m.Kind.ReachesPeer() && m.Device != "lo" })
	if away && s.Keys.Keys[s.Keys.Current].Method == hbwire.CRC {
		s.Warnings = append(s.Warnings, path("authkeys")+": crc signs nothing: whoever can send a packet can stop a node. "+
			"Use sha1 unless the link is private")
	}
	return err
}

// digest tells groups apart: their nodes, and their words in order.
func digest(groups haconf.Resources) string {
	all := sha256.New()
	for _, g := range groups {
		_, _ = fmt.Fprintf(all, "%s\n", g.Node)
		for _, r := range g.Resources {
			_, _ = fmt.Fprintf(all, "\t%s\n", r.Text)
		}
	}
	return hex.EncodeToString(all.Sum(nil)[:digestSize])
}

// Readers names the users and groups that may ask the daemon how things stand:
// whom apiauth lets be cl_status, which calls itself nothing in Heartbeat 3.
func (s *Site) Readers() (users, groups []string) {
	if s.HA == nil {
		return nil, nil
	}
	for _, c := range s.HA.Clients {
		if c.Name == "cl_status" || c.Name == "anon" {
			users, groups = append(users, c.UIDs...), append(groups, c.GIDs...)
		}
	}
	return users, groups
}

// GuestScript is the word of haresources that starts and stops guests; its
// argument is the directory of their files, where that is not GuestDir.
const GuestScript = "xenHA"

// GuestDir has the files of the guests that groups move, unless they name another
// directory.
func (s *Site) GuestDir() string { return filepath.Join(s.Dir, "xen", "ha.d") }

// GuestDirs are the directories that groups name, each once: all groups, or those
// that are given.
func (s *Site) GuestDirs(groups ...haconf.Group) (dirs []string) {
	if groups == nil {
		groups = s.Groups
	}
	for _, g := range groups {
		for _, r := range g.Resources {
			if r.Script != GuestScript {
				continue
			}
			dir := s.GuestDir()
			if _, named, ok := strings.Cut(r.Text, "::"); ok {
				dir = named
			}
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// Displaced are the files of the guests that this node runs for itself, as long as
// it has none of a group.
func (s *Site) Displaced() (files []string) {
	if s.HA == nil {
		return nil
	}
	for _, d := range s.HA.Guests.Displaced {
		if strings.EqualFold(d.Node, s.Node) {
			files = append(files, d.Files...)
		}
	}
	return files
}

// findPeer takes the two nodes of ha.cf apart.
func (s *Site) findPeer(file string) error {
	node := strings.ToLower(s.Node)
	var peers []string
	for _, name := range s.HA.Nodes {
		if name != node {
			peers = append(peers, name)
		}
	}
	all := strings.Join(s.HA.Nodes, ", ")
	switch {
	case len(peers) == len(s.HA.Nodes):
		return fmt.Errorf("%s: found nodes %s, want %s among them: node names must be what uname -n says", file, all, s.Node)
	case len(peers) > 1:
		return fmt.Errorf("%s: found nodes %s, want two", file, all)
	case len(peers) == 0:
		return fmt.Errorf("%s: found node %s alone, want its peer too", file, s.Node)
	case s.Peer != "" && !strings.EqualFold(s.Peer, peers[0]):
		return fmt.Errorf("%s: found peer %s, but drbd.conf names %s", file, peers[0], s.Peer)
	}
	s.Peer = peers[0]
	return nil
}
