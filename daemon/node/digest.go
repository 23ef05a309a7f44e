package node

import (
	"bytes"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// digest answers what the core wants to know of the content of a payload,
// beside the loop: it may take a millisecond.
func (d *device) digest(e *replica.Effect) {
	id, buf, size, alg := e.ID, e.Buf, e.Size, e.Text
	d.node.pool.Hold(buf)
	d.node.working.Go(func() {
		in := replica.Input{Kind: replica.Digested, ID: id, Data: digestOf(alg, d.node.pool.Bytes(buf)[:size])}
		d.node.pool.Release(buf)
		d.put(in)
	})
}

// digestOf answers for an algorithm that the configuration has accepted.
func digestOf(alg string, data []byte) []byte {
	if alg == replica.AllZero {
		return allZero(data)
	}
	sum, err := drbdwire.AppendDigest(nil, alg, data)
	if err != nil {
		panic(err) // config has tried it
	}
	return sum
}

func allZero(data []byte) []byte {
	var zeros [4096]byte
	for len(data) > 0 {
		part := data[:min(len(data), len(zeros))]
		if !bytes.Equal(part, zeros[:len(part)]) {
			return []byte{0}
		}
		data = data[len(part):]
	}
	return []byte{1}
}
