package journal

import "github.com/optionc/pollux/daemon/core/machine"

// input is the list of fields. A new one goes to the end of its part: a field
// that is zero takes no room, and one that an old journal does not know is
// zero.
func (c *coder) input(in *machine.Input) {
	switch in.Part {
	case machine.Replica:
		r := &in.Replica
		number(c, &r.Kind)
		number(c, &r.Op)
		number(c, &r.Order)
		number(c, &r.Socket)
		c.flag(&r.Resolve)
		c.flag(&r.FUA)
		c.flag(&r.Force)
		c.flag(&r.Failed)
		number(c, &r.Command)
		number(c, &r.Volume)
		number(c, &r.Conn)
		number(c, &r.Buf)
		number(c, &r.Size)
		number(c, &r.ID)
		number(c, &r.Sector)
		number(c, &r.Exit)
		c.bytes(&r.Data)
		c.text(&r.Text)
		number(c, &r.Disk.DataSectors)
		number(c, &r.Disk.MetaSectors)
		number(c, &r.Until)
		number(c, &r.Disk.LastSectors)
		c.flag(&r.AssumeClean)
		c.flag(&r.AssumePeer)
		number(c, &r.State)
		number(c, &r.Marked)
	case machine.Liveness:
		l := &in.Liveness
		number(c, &l.Kind)
		c.flag(&l.Drained)
		c.flag(&l.Loop)
		number(c, &l.Unix)
		c.text(&l.Load)
		c.text(&l.Medium)
		c.bytes(&l.Data)
		c.message(&l.Message)
	case machine.Failover:
		f := &in.Failover
		number(c, &f.Kind)
		number(c, &f.Order)
		number(c, &f.Set)
		number(c, &f.State)
		c.flag(&f.Force)
		c.flag(&f.Crashed)
		c.flag(&f.Failed)
		c.flag(&f.Own)
		number(c, &f.ID)
		number(c, &f.Silent)
		c.text(&f.Text)
		c.message(&f.Message)
		number(c, &f.Since)
	case machine.Lease:
		w := &in.Lease
		number(c, &w.Kind)
		c.bytes(&w.Data)
		c.text(&w.Text)
	case machine.All:
	}
}
