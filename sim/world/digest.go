package world

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// digest answers what the core asks of a payload: its versions are its content,
// where payloads are bytes, too: no two versions have the same.
func (n *Node) digest(e *replica.Effect) {
	id, row, epoch := e.ID, n.rows.get(e.Buf), n.epoch
	if len(row)*sectorSize != int(e.Size) {
		n.w.Fail("12: payloads fit their requests", "a digest of %d bytes with %d sectors of payload", e.Size, len(row))
		return
	}
	alg := e.Text
	n.w.After(n.w.luck.disk.Between(5*time.Microsecond, 500*time.Microsecond), func() {
		if n.epoch == epoch {
			n.deliver(replica.Input{Kind: replica.Digested, ID: id, Data: n.digestOf(alg, row)})
		}
	})
}

func (n *Node) digestOf(alg string, row []uint64) []byte {
	if alg == replica.AllZero {
		if slices.ContainsFunc(row, func(version uint64) bool { return version != 0 }) {
			return []byte{0}
		}
		return []byte{1}
	}
	content := n.content[:0]
	for _, version := range row {
		content = binary.LittleEndian.AppendUint64(content, version)
	}
	n.content = content
	sum, err := drbdwire.AppendDigest(nil, alg, content)
	if err != nil {
		n.w.Fail("the configuration works", "%v", err)
	}
	return sum
}
