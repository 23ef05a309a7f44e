package drbdtext

import (
	"fmt"
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// An Object is one thing that an event line is about.
type Object string

// The objects. Source: drbd.conf and its tools, section 8.4.
const (
	ResourceObject   Object = "resource"
	ConnectionObject Object = "connection"
	DeviceObject     Object = "device"
	PeerDeviceObject Object = "peer-device"
	HelperObject     Object = "helper"
	NoObject         Object = "-" // the end of the initial dump
)

// A field is one word of an event line.
type field struct{ key, value string }

// A record is one object with its fields.
type record struct {
	object Object
	keys   string
	fields []field
}

// Exists are the lines of a resource in the initial dump of "drbdsetup events2"
// of 8.4.
func (r *Resource) Exists(d Detail) string {
	var b strings.Builder
	for _, rec := range r.records(d) {
		rec.write(&b, "exists", rec.fields)
	}
	return b.String()
}

// ExistsEnd is the line behind the initial dump.
const ExistsEnd = "exists -\n"

// Create are the lines of a resource that came up, and Destroy those of one
// that went down.
func (r *Resource) Create() string {
	var b strings.Builder
	for _, rec := range r.records(Detail{}) {
		rec.write(&b, "create", rec.fields)
	}
	return b.String()
}

// Destroy is told from the inside out.
func (r *Resource) Destroy() string {
	var b strings.Builder
	list := r.records(Detail{})
	for _, o := range []Object{PeerDeviceObject, ConnectionObject, DeviceObject, ResourceObject} {
		if rec := find(list, o); rec != nil {
			rec.write(&b, "destroy", nil)
		}
	}
	return b.String()
}

// Change are the lines that tell what became of a resource: only fields that
// differ are in them. A peer comes and goes with the network configuration.
func (r *Resource) Change(old *Resource) string {
	var b strings.Builder
	before := old.records(Detail{})
	now := r.records(Detail{})
	for _, rec := range slices.Backward(before) {
		if find(now, rec.object) == nil {
			rec.write(&b, "destroy", nil)
		}
	}
	for _, rec := range now {
		was := find(before, rec.object)
		if was == nil {
			rec.write(&b, "create", rec.fields)
			continue
		}
		var changed []field
		for i, f := range rec.fields {
			if was.fields[i] != f {
				changed = append(changed, f)
			}
		}
		if len(changed) > 0 {
			rec.write(&b, "change", changed)
		}
	}
	return b.String()
}

func find(list []record, o Object) *record {
	for i := range list {
		if list[i].object == o {
			return &list[i]
		}
	}
	return nil
}

// Call is the line of a handler that was started, Response that of its end
// with an exit status.
func (r *Resource) Call(helper string) string {
	return fmt.Sprintf("call helper %s helper:%s\n", r.peerKeys(), helper)
}

// Response tells the raw wait status, 256 times the exit status.
func (r *Resource) Response(helper string, exit int) string {
	return fmt.Sprintf("response helper %s helper:%s status:%d\n", r.peerKeys(), helper, exit<<8)
}

func (rec record) write(b *strings.Builder, action string, fields []field) {
	fmt.Fprintf(b, "%s %s %s", action, rec.object, rec.keys)
	for _, f := range fields {
		b.WriteString(" " + f.key + ":" + f.value)
	}
	b.WriteByte('\n')
}

func (r *Resource) peerKeys() string {
	return fmt.Sprintf("name:%s peer-node-id:0 conn-name:peer", r.Name)
}

// records are the objects that a resource is made of.
func (r *Resource) records(d Detail) []record {
	s := r.State
	name := "name:" + r.Name
	list := []record{{ResourceObject, name, []field{{"role", s.Role.String()}, {"suspended", suspended(s)}}}}
	if d.Statistics {
		list[0].fields = append(list[0].fields, field{"write-ordering", "flush"})
	}
	if r.hasNet() {
		conn := record{
			ConnectionObject, r.peerKeys(), []field{{"connection", connection(s.Conn)}, {"role", s.Peer.String()}},
		}
		if d.Statistics {
			conn.fields = append(conn.fields, field{"congested", "no"})
		}
		list = append(list, conn)
	}
	device := record{
		DeviceObject, fmt.Sprintf("%s volume:%d minor:%d", name, r.Volume, r.Minor),
		[]field{{"disk", s.Disk.String()}},
	}
	if d.Statistics {
		device.fields = append(device.fields, split(r.deviceStatistics())...)
	}
	list = append(list, device)
	if r.hasNet() {
		peer := record{PeerDeviceObject, fmt.Sprintf("%s volume:%d", r.peerKeys(), r.Volume), []field{
			{"replication", replication(s.Conn)},
			{"peer-disk", s.PeerDisk.String()},
			{"resync-suspended", resyncSuspended(s)},
		}}
		if d.Statistics {
			peer.fields = append(peer.fields, split(r.peerStatistics())...)
		}
		list = append(list, peer)
	}
	return list
}

// split takes words of a status apart.
func split(words []string) []field {
	list := make([]field, len(words))
	for i, w := range words {
		list[i].key, list[i].value, _ = strings.Cut(w, ":")
	}
	return list
}

// An Event is one line of events2.
type Event struct {
	Action string // exists, create, change, destroy, call, response
	Object Object
	fields map[string]string
}

// ParseEvent reads a line of events2, of version 8.4 or 9, without its end. A
// line with --timestamps begins with a word that has no meaning here.
func ParseEvent(line string) (Event, error) {
	words := strings.Fields(line)
	if len(words) > 0 && strings.Contains(words[0], "T") && strings.Contains(words[0], ":") {
		words = words[1:]
	}
	if len(words) < 2 {
		return Event{}, fmt.Errorf("event %.80q, want ACTION OBJECT KEY:VALUE", line)
	}
	e := Event{Action: words[0], Object: Object(words[1]), fields: map[string]string{}}
	for _, w := range words[2:] {
		key, value, ok := strings.Cut(w, ":")
		if !ok && e.Object != NoObject && e.Action != "-" {
			return Event{}, fmt.Errorf("event %.80q: found %.40q, want KEY:VALUE", line, w)
		}
		e.fields[key] = value
	}
	return e, nil
}

// Get is the value of a field, "" if the line has none of that name.
func (e Event) Get(key string) string { return e.fields[key] }

// Apply puts what a line says into the state of its resource. Words that
// version 9 uses become those of 8.4 again.
func (e Event) Apply(s *drbdwire.State) error {
	if e.Action == "destroy" {
		return e.destroy(s)
	}
	var err error
	for _, key := range []string{
		"role", "suspended", "connection", "disk", "replication", "peer-disk", "resync-suspended",
	} {
		if value, ok := e.fields[key]; ok && err == nil {
			err = e.apply(s, key, value)
		}
	}
	if err != nil {
		return fmt.Errorf("event about %s %s: %w", e.Object, e.fields["name"], err)
	}
	return nil
}

func (e Event) destroy(s *drbdwire.State) error {
	switch e.Object {
	case ConnectionObject, PeerDeviceObject:
		s.Conn, s.Peer, s.PeerDisk = drbdwire.StandAlone, drbdwire.RoleUnknown, drbdwire.DUnknown
		s.AfterPause, s.PeerPause, s.UserPause = false, false, false
	case DeviceObject:
		s.Disk = drbdwire.Diskless
	case ResourceObject:
		*s = drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown}
	default: // nothing that a state knows
	}
	return nil
}

func (e Event) apply(s *drbdwire.State, key, value string) (err error) {
	switch {
	case key == "role" && e.Object == ResourceObject:
		s.Role, err = drbdwire.ParseRole(value)
	case key == "role" && e.Object == ConnectionObject:
		s.Peer, err = drbdwire.ParseRole(value)
	case key == "suspended":
		s.Suspended, s.SuspNoData = has(value, "user"), has(value, "no-data")
		s.SuspFencing = has(value, "fencing")
	case key == "connection":
		err = applyConnection(s, value)
	case key == "replication":
		err = applyReplication(s, value)
	case key == "disk":
		s.Disk, err = drbdwire.ParseDiskState(value)
	case key == "peer-disk":
		s.PeerDisk, err = drbdwire.ParseDiskState(value)
	case key == "resync-suspended":
		s.UserPause, s.PeerPause = has(value, "user"), has(value, "peer")
		s.AfterPause = has(value, "dependency")
	}
	return err
}

func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// applyConnection takes the state of a connection, which says nothing of what
// a volume does over it.
func applyConnection(s *drbdwire.State, value string) error {
	switch value {
	case "Connected":
		s.Conn = max(s.Conn, drbdwire.WFReportParams)
		return nil
	case "Connecting":
		s.Conn = drbdwire.WFConnection
		return nil
	}
	var err error
	s.Conn, err = drbdwire.ParseConnState(value)
	return err
}

// applyReplication takes what a volume does; Off says no more than the
// connection does.
func applyReplication(s *drbdwire.State, value string) error {
	switch value {
	case "Off":
		s.Conn = min(s.Conn, drbdwire.WFReportParams)
		return nil
	case "Established":
		s.Conn = drbdwire.Connected
		return nil
	}
	var err error
	s.Conn, err = drbdwire.ParseConnState(value)
	return err
}
