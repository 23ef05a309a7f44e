// Package witnesswire is what a node says to a witness and hears from it: one
// question about all its groups at once, one answer. Two nodes ask each other
// with the same packets, inside a message of their heartbeats.
//
//	offset  size  field
//	0       1     Version   1, or 2 with more than 64 groups
//	1       1     kind      1 Ask, 2 Answer
//	2       8     Incarnation of the one that is asked; 0: not heard yet
//	10      8     Sequence  of the question; grows over restarts of the asker
//	18      4     Lease     milliseconds: wanted in an Ask, longest in an Answer
//	22      1+n   Cluster   an Ask alone: length and text
//	-       1+n   Node      an Ask alone
//	-       1     number of groups (2 bytes in version 2), and of each:
//	        1       Flags of an Ask, Verdict of an Answer
//	        1+n     Name in an Ask; in an Answer 4 bytes, what is Left of
//	                another's lease in milliseconds
//
// Integers are big endian. Who asks is proved by the connection, or by the
// digest of the heartbeat; what is said here is only what it wants.
package witnesswire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The versions. Who has few groups is understood by those who know Few alone.
const (
	Few  = 1
	Many = 2
)

// MaxGroups is how many groups fit into a packet, and maxFew into one of version Few. MaxSize is its bytes at most: in
// hexadecimal digits it fits into a heartbeat.
const (
	MaxGroups = 1024
	maxFew    = 64
	MaxSize   = 30 << 10
)

// ErrShort is wrapped by errors about packets that end too early.
var ErrShort = errors.New("the packet ends too early")

// Flags are what a node says of one group.
type Flags uint8

// The flags. None of them: the node neither runs the group nor is to run it.
const (
	Want  Flags = 1  // it runs the group, or is to
	Held  Flags = 2  // it has the vote of who is asked at this moment, by its own clock
	Alone Flags = 4  // its data goes on, or is about to, without the other node's
	Equal Flags = 8  // both nodes' data are whole and equal, and connected
	Force Flags = 16 // an operator vouches that the other node runs nothing, and its data do not matter
	Apart Flags = 32 // the nodes are connected, and one of them lacks data of the other
)

// Verdict is the answer about one group.
type Verdict uint8

// The verdicts.
const (
	Free     Verdict = 0 // it was not wanted
	Granted  Verdict = 1 // from now on for Lease
	Taken    Verdict = 2 // the other node has it, or has asked here first
	Ahead    Verdict = 3 // the other node went on alone: its data is newer
	Young    Verdict = 4 // who is asked has started a moment ago, and the other node may still hold it
	Stale    Verdict = 5 // the question was for an earlier life of who is asked: ask again
	TooLong  Verdict = 6 // the lease wanted is longer than the longest
	Crowded  Verdict = 7 // there are too many groups here
	verdicts Verdict = 8
)

// Vouched is added to a verdict: no newer data are anywhere than those of the node
// that asks. Both were equal when last heard of, and the other one has not gone on
// alone since.
const Vouched Verdict = 128

// String says it for people.
func (v Verdict) String() string {
	v &^= Vouched
	if v >= verdicts {
		return fmt.Sprintf("verdict %d", uint8(v))
	}
	return [...]string{
		"free", "granted", "the other node has it", "the other node has newer data",
		"it has just started, and the other node may hold it", "ask again", "the lease is longer than it gives",
		"it has too many groups",
	}[v]
}

// Ask is a node's question.
type Ask struct {
	Incarnation uint64
	Sequence    uint64
	Lease       time.Duration // whole milliseconds
	Cluster     string        // at most 255 bytes, as all names
	Node        string
	Groups      []Group // at most MaxGroups, and together with the names at most MaxSize
}

// Group is what a node says of one.
type Group struct {
	Flags Flags
	Name  string
}

// Answer is what comes back, in the order of the question's groups.
type Answer struct {
	Incarnation uint64
	Sequence    uint64
	Lease       time.Duration
	Groups      []Grant
}

// Grant is the answer about one group.
type Grant struct {
	Verdict Verdict
	Left    time.Duration // of the other node's lease, if that is in the way
}

const (
	kindAsk    = 1
	kindAnswer = 2
	headSize   = 22
)

func appendHead(b []byte, kind byte, groups int, incarnation, sequence uint64, lease time.Duration) []byte {
	version := byte(Few)
	if groups > maxFew {
		version = Many
	}
	b = append(b, version, kind)
	b = binary.BigEndian.AppendUint64(b, incarnation)
	b = binary.BigEndian.AppendUint64(b, sequence)
	return binary.BigEndian.AppendUint32(b, uint32(lease.Milliseconds()))
}

func appendCount(b []byte, groups int) []byte {
	if groups > maxFew {
		return binary.BigEndian.AppendUint16(b, uint16(groups))
	}
	return append(b, byte(groups))
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(b, byte(len(s))), s...)
}

// Append encodes a question.
func (a Ask) Append(b []byte) []byte {
	b = appendHead(b, kindAsk, len(a.Groups), a.Incarnation, a.Sequence, a.Lease)
	b = appendCount(appendText(appendText(b, a.Cluster), a.Node), len(a.Groups))
	for _, g := range a.Groups {
		b = appendText(append(b, byte(g.Flags)), g.Name)
	}
	return b
}

// Append encodes an answer.
func (a Answer) Append(b []byte) []byte {
	b = appendCount(appendHead(b, kindAnswer, len(a.Groups), a.Incarnation, a.Sequence, a.Lease), len(a.Groups))
	for _, g := range a.Groups {
		b = binary.BigEndian.AppendUint32(append(b, byte(g.Verdict)), uint32(g.Left.Milliseconds()))
	}
	return b
}

// DecodeAsk reads a question. It keeps nothing of b.
func DecodeAsk(b []byte) (a Ask, err error) {
	r := reader{b: b}
	a.Incarnation, a.Sequence, a.Lease = r.head(kindAsk)
	a.Cluster, a.Node = r.text(), r.text()
	for n := r.count(); n > 0 && r.err == nil; n-- {
		a.Groups = append(a.Groups, Group{Flags: Flags(r.number(1)), Name: r.text()})
	}
	if err := r.end(); err != nil {
		return Ask{}, fmt.Errorf("question to a witness: %w", err)
	}
	return a, nil
}

// DecodeAnswer reads an answer.
func DecodeAnswer(b []byte) (a Answer, err error) {
	r := reader{b: b}
	a.Incarnation, a.Sequence, a.Lease = r.head(kindAnswer)
	for n := r.count(); n > 0 && r.err == nil; n-- {
		a.Groups = append(a.Groups, Grant{
			Verdict: Verdict(r.number(1)), Left: time.Duration(r.number(4)) * time.Millisecond,
		})
	}
	if err := r.end(); err != nil {
		return Answer{}, fmt.Errorf("answer of a witness: %w", err)
	}
	return a, nil
}

// reader takes a packet apart; after an error all is zero.
type reader struct {
	b    []byte
	many bool // it is of version Many
	err  error
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.err, r.b = ErrShort, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number(size int) (n uint64) {
	for _, x := range r.take(size) {
		n = n<<8 | uint64(x)
	}
	return n
}

func (r *reader) text() string { return string(r.take(int(r.number(1)))) }

func (r *reader) head(kind uint64) (incarnation, sequence uint64, lease time.Duration) {
	version, found := r.number(1), r.number(1)
	if r.err == nil && (version != Few && version != Many || found != kind) {
		r.err = fmt.Errorf("found version %d and kind %d, want %d or %d and %d", version, found, Few, Many, kind)
	}
	r.many = version == Many
	return r.number(8), r.number(8), time.Duration(r.number(4)) * time.Millisecond
}

func (r *reader) count() int {
	size, least, most := 1, 0, maxFew
	if r.many {
		size, least, most = 2, maxFew+1, MaxGroups
	}
	n := int(r.number(size))
	if (n < least || n > most) && r.err == nil {
		r.err = fmt.Errorf("found %d groups, want %d to %d", n, least, most)
	}
	return n
}

func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("found %d bytes behind its end", len(r.b))
	}
	return r.err
}
