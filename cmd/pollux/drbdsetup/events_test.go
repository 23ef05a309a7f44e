package drbdsetup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// stream is a daemon that publishes these events, the first two of them before
// it was asked for its status.
type stream struct {
	status node.Status
	events []node.Event
}

func (s *stream) Status(_ context.Context, v any) error {
	*v.(*node.Status) = s.status
	return nil
}

func (*stream) Order(context.Context, control.Order) (control.Answer, error) {
	return control.Answer{OK: true}, nil
}

func (s *stream) Follow(_ context.Context, begun func() error, f func(json.RawMessage)) error {
	if err := begun(); err != nil {
		return err
	}
	for _, e := range s.events {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		f(line)
	}
	return nil
}

func TestEventsGoOnWhereTheDumpEnds(t *testing.T) {
	g := NewWithT(t)
	connected := drbdwire.State{
		Role: drbdwire.Primary, Peer: drbdwire.Secondary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate,
		PeerDisk: drbdwire.UpToDate,
	}
	lost := connected
	lost.Conn, lost.Peer, lost.PeerDisk = drbdwire.NetworkFailure, drbdwire.RoleUnknown, drbdwire.DUnknown
	exit := 4
	d := &stream{
		status: node.Status{
			Peer: "milo2", Sequence: 7,
			Resources: []node.ResourceStatus{{Name: "r1", Minor: 1, StateWord: connected.Pack()}},
		},
		events: []node.Event{
			{Resource: "r1", Sequence: 6, StateWord: lost.Pack()},
			{Resource: "r1", Sequence: 7, StateWord: connected.Pack()},
			{Text: "peer milo2 is late"},
			{Resource: "r1", Sequence: 8, StateWord: lost.Pack()},
			{Resource: "r1", Helper: "fence-peer"},
			{Resource: "r1", Helper: "fence-peer", Exit: &exit},
			{Resource: "r1", Down: true},
			{Resource: "r1", Sequence: 9, StateWord: drbdwire.State{Role: drbdwire.Secondary}.Pack()},
		},
	}
	for i := range d.events {
		d.events[i].Time = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	}
	var out bytes.Buffer
	tool := &drbdsetup.Tool{Stdout: &out, Stderr: &out, Dial: func() (drbdsetup.Daemon, error) { return d, nil }}
	g.Expect(tool.Run(t.Context(), []string{"events2", "r1"})).To(Equal(0))
	g.Expect(out.String()).To(Equal(`exists resource name:r1 role:Primary suspended:no
exists connection name:r1 peer-node-id:0 conn-name:peer connection:Connected role:Secondary
exists device name:r1 volume:0 minor:1 disk:UpToDate
exists peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:UpToDate resync-suspended:no
exists -
change connection name:r1 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown
change peer-device name:r1 peer-node-id:0 conn-name:peer volume:0 replication:Off peer-disk:DUnknown
call helper name:r1 peer-node-id:0 conn-name:peer helper:fence-peer
response helper name:r1 peer-node-id:0 conn-name:peer helper:fence-peer status:1024
destroy peer-device name:r1 peer-node-id:0 conn-name:peer volume:0
destroy connection name:r1 peer-node-id:0 conn-name:peer
destroy device name:r1 volume:0 minor:1
destroy resource name:r1
create resource name:r1 role:Secondary suspended:no
create device name:r1 volume:0 minor:1 disk:Diskless
`))

	out.Reset()
	d.events = d.events[3:4]
	g.Expect(tool.Run(t.Context(), []string{"events2", "--timestamps"})).To(Equal(0))
	g.Expect(out.String()).To(ContainSubstring("2026-01-02T03:04:05.678901+00:00 change connection "))
}

func TestTheSeedsWordForForce(t *testing.T) {
	g := NewWithT(t)
	d := &stream{status: node.Status{Resources: []node.ResourceStatus{{Name: "r1", Minor: 1}}}}
	var out bytes.Buffer
	tool := &drbdsetup.Tool{Stdout: &out, Stderr: &out, Dial: func() (drbdsetup.Daemon, error) { return d, nil }}
	g.Expect(tool.Run(t.Context(), []string{"/dev/drbd1", "primary", "--do-what-I-say"})).To(Equal(0), out.String())
	g.Expect(tool.Run(t.Context(), []string{"primary", "1", "--do-what-you-like"})).To(Equal(drbdsetup.ExitFailed))
	g.Expect(out.String()).To(HavePrefix("primary: unrecognized option '--do-what-you-like'\n\nUSAGE: drbdsetup "))
}
