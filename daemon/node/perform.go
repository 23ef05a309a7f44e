package node

import (
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// perform carries one effect of the core out, or starts it.
func (d *device) perform(e *replica.Effect) {
	switch e.Kind {
	case replica.Dial:
		d.link.Dial()
	case replica.Hangup:
		d.link.Hangup()
	case replica.Send:
		d.link.Send(e.Conn, e.Socket, e.Data, e.Buf, e.Size)
		d.cork()
	case replica.Read, replica.Write, replica.Zero, replica.Trim, replica.Flush:
		d.onData(e)
	case replica.MetaRead, replica.MetaWrite:
		d.onMeta(e)
	case replica.Complete:
		d.complete(e)
	case replica.Free:
		d.node.pool.Release(e.Buf)
	case replica.Answer:
		d.node.answers.give(e.ID, control.Answer{
			OK: e.Code >= drbdwire.Success, Code: int(e.Code), Text: e.Text,
		})
	case replica.Expose:
		d.sectors.Store(e.Sector)
		d.node.working.Go(func() { d.deviceDone(d.expose()) })
	case replica.Grown:
		d.sectors.Store(e.Sector)
		d.node.working.Go(d.grow)
	case replica.Withdraw:
		d.node.working.Go(func() { d.deviceDone(d.withdraw()) })
	case replica.Measure:
		d.node.working.Go(d.measure)
	case replica.Located:
		sectors := e.Sector
		d.node.working.Go(func() { d.remember(sectors) })
	case replica.Delegate:
		order := *e
		d.node.working.Go(func() { d.foreign.carryOut(order) })
	case replica.Changed:
		d.changed(e)
		d.abandonStale()
	case replica.Digest:
		d.digest(e)
	case replica.CloseDisk:
		d.node.working.Go(d.letGo)
	case replica.Call:
		d.call(*e)
	case replica.Decided:
		d.tell(e.Text)
	case replica.Broken:
		d.tell("the device is frozen, an assertion is broken: " + e.Text)
	}
}

func (d *device) tell(text string) {
	d.node.log.Info(text, "resource", d.conf.Conf.Name)
	d.node.publish(Event{Resource: d.conf.Conf.Name, Text: text})
}

// changed tells of a new state. It is called by the loop.
func (d *device) changed(e *replica.Effect) {
	d.node.log.Info(e.Text, "resource", d.conf.Conf.Name)
	d.node.changes++
	d.node.publish(Event{
		Resource: d.conf.Conf.Name, Text: e.Text, StateWord: e.State, Sequence: d.node.changes,
	})
}

func (d *device) deviceDone(err error) {
	in := replica.Input{Kind: replica.DeviceDone}
	if err != nil {
		in.Failed, in.Text = true, err.Error()
	}
	d.put(in)
}

// onData starts an operation on the data disk. The payload of a write is held
// until it is over; a read brings one of its own.
func (d *device) onData(e *replica.Effect) {
	data, _ := d.disks()
	in := replica.Input{Kind: replica.DiskDone, ID: e.ID, Op: opOf(e.Kind)}
	if data == nil {
		in.Failed = true
		d.put(in)
		return
	}
	if e.Kind == replica.Read {
		d.read(data, in, e.Sector, e.Size)
		return
	}
	if e.Buf != 0 {
		d.node.pool.Hold(e.Buf)
	}
	done := d.operation(in, e.Buf)
	switch e.Kind {
	case replica.Write:
		data.Write(e.Sector, d.node.pool.Bytes(e.Buf)[:e.Size], e.FUA, done)
	case replica.Zero:
		data.Zero(e.Sector, e.Size, e.FUA, done)
	case replica.Trim:
		data.Trim(e.Sector, e.Size, e.FUA, done)
	default:
		data.Flush(done)
	}
}

// read starts a read. If there is no room in the pool it waits for some, which
// who has the turn must not do.
func (d *device) read(data *backing.Disk, in replica.Input, sector uint64, size uint32) {
	pool := d.node.pool
	if in.Buf = pool.TryGet(int(size)); in.Buf != 0 {
		data.Read(sector, pool.Bytes(in.Buf), d.operation(in, 0))
		return
	}
	d.node.working.Go(func() {
		if in.Buf = pool.Get(int(size)); in.Buf == 0 {
			in.Failed = true
			d.put(in)
			return
		}
		data.Read(sector, pool.Bytes(in.Buf), d.operation(in, 0))
	})
}

func opOf(kind replica.EffectKind) replica.Op {
	switch kind {
	case replica.Read:
		return replica.OpRead
	case replica.Zero:
		return replica.OpZero
	case replica.Trim:
		return replica.OpTrim
	case replica.Flush:
		return replica.OpFlush
	default:
		return replica.OpWrite
	}
}

// withError is a disk's answer, after it is known how that went.
func (d *device) withError(in replica.Input, err error) replica.Input {
	if err != nil {
		in.Failed = true
		d.node.log.Error("disk", "resource", d.conf.Conf.Name, "error", err)
	}
	return in
}

// metaBuffer is memory for a read of metadata. There is one at a time, and the
// core has used what it read before it asks for more.
func (d *device) metaBuffer(size int) []byte {
	if cap(d.metaRead) < size {
		d.metaRead = make([]byte, size)
	}
	return d.metaRead[:size]
}

// onMeta starts an operation on the metadata.
func (d *device) onMeta(e *replica.Effect) {
	_, meta := d.disks()
	in := replica.Input{Kind: replica.MetaDone, ID: e.ID}
	if meta == nil {
		in.Failed = true
		d.put(in)
		return
	}
	if e.Kind == replica.MetaRead {
		data := d.metaBuffer(int(e.Size))
		meta.ReadMeta(e.Offset, data, func(err error) {
			in.Data = data
			d.put(d.withError(in, err))
		})
		return
	}
	meta.WriteMeta(e.Offset, e.Data, e.FUA, func(err error) { d.put(d.withError(in, err)) })
}
