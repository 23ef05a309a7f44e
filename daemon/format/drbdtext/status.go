package drbdtext

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Detail says how much a status or an event tells beyond the usual.
type Detail struct {
	Verbose    bool // what is as it always is, too
	Statistics bool
}

// width is where lines are folded, as drbdsetup does without a terminal.
const width = 80

// Status is what "drbdsetup status" of 8.4 prints about one resource.
// Source: drbd.conf and its tools, section 8.3.
func (r *Resource) Status(d Detail) string {
	var p page
	s := r.State
	p.begin(0, r.Name)
	p.word("role:" + s.Role.String())
	if why := suspended(s); why != "no" || d.Verbose {
		p.word("suspended:" + why)
	}
	if d.Statistics {
		p.begin(4, "write-ordering:flush")
	}
	p.begin(2)
	if r.Volume != 0 || d.Verbose {
		p.word(fmt.Sprintf("volume:%d", r.Volume))
	}
	if d.Verbose {
		p.word(fmt.Sprintf("minor:%d", r.Minor))
	}
	p.word("disk:" + s.Disk.String())
	if d.Statistics {
		p.begin(6, r.deviceStatistics()...)
	}
	if r.hasNet() {
		r.peerStatus(&p, d)
	}
	p.text.WriteString("\n\n")
	return p.text.String()
}

func (r *Resource) peerStatus(p *page, d Detail) {
	s := r.State
	isUp := s.Conn >= drbdwire.WFReportParams
	p.begin(2, "peer")
	if !isUp || d.Verbose {
		p.word("connection:" + connection(s.Conn))
	}
	if isUp || d.Verbose {
		p.word("role:" + s.Peer.String())
	}
	if d.Verbose {
		p.word("congested:no")
	}
	if !isUp && !d.Verbose {
		return
	}
	p.begin(4)
	if r.Volume != 0 || d.Verbose {
		p.word(fmt.Sprintf("volume:%d", r.Volume))
	}
	if s.Conn > drbdwire.WFReportParams || d.Verbose {
		p.word("replication:" + replication(s.Conn))
	}
	p.word("peer-disk:" + s.PeerDisk.String())
	if r.Sync != nil && s.Conn >= drbdwire.SyncSource && s.Conn <= drbdwire.PausedSyncT {
		p.word("done:" + r.Done())
	}
	if why := resyncSuspended(s); why != "no" || d.Verbose {
		p.word("resync-suspended:" + why)
	}
	if d.Statistics {
		p.begin(8, r.peerStatistics()...)
	}
}

func (r *Resource) deviceStatistics() []string {
	c := r.Counters
	return []string{
		fmt.Sprintf("size:%d", r.SizeKiB), fmt.Sprintf("read:%d", c.ReadKiB), fmt.Sprintf("written:%d", c.WrittenKiB),
		fmt.Sprintf("al-writes:%d", c.ALWrites), fmt.Sprintf("bm-writes:%d", c.BitmapWrites),
		fmt.Sprintf("upper-pending:%d", c.Upper), fmt.Sprintf("lower-pending:%d", c.Lower),
		"al-suspended:" + yesNo(r.ALSuspended), "blocked:no",
	}
}

func (r *Resource) peerStatistics() []string {
	c := r.Counters
	return []string{
		fmt.Sprintf("received:%d", c.ReceivedKiB), fmt.Sprintf("sent:%d", c.SentKiB),
		fmt.Sprintf("out-of-sync:%d", r.OutOfSync), fmt.Sprintf("pending:%d", c.Pending),
		fmt.Sprintf("unacked:%d", c.Unacked),
	}
}

// A page is text that grows by words.
type page struct {
	text   strings.Builder
	indent int
	column int // 0 at the start of the text
}

// begin starts a line that is indented.
func (p *page) begin(indent int, words ...string) {
	p.indent = indent
	if p.text.Len() > 0 {
		p.text.WriteByte('\n')
	}
	p.column = 0
	for _, w := range words {
		p.word(w)
	}
}

// word appends a word, on the next line if it does not fit.
func (p *page) word(w string) {
	switch {
	case p.column == 0:
		p.column = p.indent
		p.text.WriteString(strings.Repeat(" ", p.indent))
	case p.column+1+len(w) > width:
		p.column = p.indent + 4
		p.text.WriteString("\n" + strings.Repeat(" ", p.column))
	default:
		p.text.WriteByte(' ')
		p.column++
	}
	p.text.WriteString(w)
	p.column += len(w)
}
