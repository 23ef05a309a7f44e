package replica

import (
	"bytes"
	"fmt"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// AllZero stands in a Digest for an algorithm: the answer is one byte, 1 if
// every byte of the payload is zero.
const AllZero = "all-zero"

// algorithms are those of resync and verify, as configured, or as the peer's
// administrator has changed them since.
type algorithms struct{ csums, verify string }

// askDigest has a question about the content of a payload answered. Base tells
// the peer's work from requests; who asks keeps the number.
func (r *Resource) askDigest(alg string, buf Buf, size uint32, base uint64) uint64 {
	r.asked++
	r.emit(Effect{Kind: Digest, ID: base | r.asked, Buf: buf, Size: size, Text: alg})
	return r.asked
}

// digestIn is the digest behind the fixed part of a data packet. It is kept
// longer than the packet.
func digestIn(data []byte) []byte { return bytes.Clone(data[drbdwire.DataSize:]) }

// digested hands an answer to whoever asked. Nobody does any more if the link
// broke meanwhile.
func (r *Resource) digested(id uint64, sum []byte) {
	if id&peerBase != 0 {
		r.workDigested(id&^peerBase, sum)
		return
	}
	for i := range r.requests.list {
		q := &r.requests.list[i]
		switch {
		case q.asked != id:
		case q.op == OpRead:
			r.readChecked(q, sum)
			return
		default:
			q.digest, q.asked = bytes.Clone(sum), 0
			return
		}
	}
}

// hasDigest tells whether a write has the digest that goes with it to the
// peer, if any; it asks for one that is missing.
func (r *Resource) hasDigest(q *request) bool {
	if r.cfg.IntegrityAlg == "" || q.op != OpWrite || q.digest != nil {
		return true
	}
	if q.asked == 0 {
		q.asked = r.askDigest(r.cfg.IntegrityAlg, q.buf, q.size, 0)
	}
	return false
}

// readChecked takes what the peer read for a user if it came unharmed; else
// the read is asked for again, over another link.
func (r *Resource) readChecked(q *request, sum []byte) {
	q.asked = 0
	if !bytes.Equal(q.digest, sum) {
		r.damaged(drbdwire.CmdDataReply, q.sector, q.size)
		return
	}
	q.remote = halfDone
}

// damaged gives up a link on which a block arrived that is not what was sent.
func (r *Resource) damaged(cmd drbdwire.Command, sector uint64, size uint32) {
	r.dropLink(drbdwire.ProtocolError, fmt.Sprintf("digest integrity check failed: the %d bytes of a %s for sector %d "+
		"arrived damaged", size, cmd, sector))
}

// protocolChanged takes what an administrator changed on the peer. Its data
// packets have another digest from now on. Source: DRBD 8.4 wire, section 5.1.
func (r *Resource) protocolChanged(data []byte) error {
	theirs, err := drbdwire.DecodeProtocol(data)
	if err == nil && r.knows("data-integrity-alg", theirs.IntegrityAlg) {
		r.peer.integrity = theirs.IntegrityAlg
	}
	return err
}

// syncParamArrived holds the peer's algorithms against the own ones; a change
// while connected is followed. Source: DRBD 8.4 wire, section 5.2.
func (r *Resource) syncParamArrived(data []byte) error {
	theirs, err := drbdwire.DecodeSyncParam(data)
	switch {
	case err != nil:
		return err
	case r.link.phase != phaseParams:
		if r.knows("csums-alg", theirs.CsumsAlg) && r.knows("verify-alg", theirs.VerifyAlg) {
			r.algs = algorithms{csums: theirs.CsumsAlg, verify: theirs.VerifyAlg}
		}
	default:
		if err := handshake.MatchAlgorithms(r.syncParam(), theirs); err != nil {
			r.giveUp(err.Error())
		}
	}
	return nil
}

// knows tells whether this node can make the digests that an option of the
// peer's asks for, and gives the peer up if it can't.
func (r *Resource) knows(option, alg string) bool {
	if alg == "" {
		return true
	}
	_, err := drbdwire.DigestSize(alg)
	if err != nil {
		r.giveUp(fmt.Sprintf("the peer changed its %s: %v", option, err))
	}
	return err == nil
}

// askAbout asks for the digest that is needed of what was read for the peer,
// if any, and tells whether it did: the work goes on with the answer.
func (r *Resource) askAbout(w *peerWork, in Input) bool {
	if in.Failed || w.writes() || w.conn != r.link.conn || r.link.conn == 0 {
		return false
	}
	w.buf = in.Buf
	return r.askFor(w)
}

func (r *Resource) askFor(w *peerWork) bool {
	alg := r.cfg.IntegrityAlg
	switch w.kind {
	case workCsum, workSum:
		if alg = r.algs.csums; alg == "" {
			w.digest = nil // there is nothing to compare with any more
		}
	case workVerify, workCompare:
		alg = r.algs.verify
	case workThin:
		alg = AllZero
	default:
	}
	if alg == "" {
		return false
	}
	w.asked = r.askDigest(alg, w.buf, w.size, peerBase)
	return true
}

// workDigested goes on with the peer's work whose digest is known.
func (r *Resource) workDigested(number uint64, sum []byte) {
	list := r.mirror.list.all()
	for i := range list {
		w := &list[i]
		switch {
		case w.asked != number:
			continue
		case w.checking && !bytes.Equal(w.digest, sum):
			r.discardFrom(i)
		case w.checking:
			w.checking, w.asked = false, 0
			if w.conn == r.link.conn {
				r.ackReceipt(w)
			}
		case w.conn == r.link.conn && r.turn(w, sum):
		default:
			done := r.mirror.remove(i)
			if done.conn == r.link.conn {
				r.answerDigested(&done, sum)
			}
			r.free(done.buf)
			r.diskIdle()
		}
		return
	}
}

// turn makes a question about a block into one for the block, if the answer is
// that it differs, and tells whether that needs another digest.
func (r *Resource) turn(w *peerWork, sum []byte) bool {
	differs := w.kind == workCsum && (r.sync.uneven || !bytes.Equal(w.digest, sum)) || w.kind == workThin && !bytes.Equal(sum, []byte{1})
	if !differs {
		return false
	}
	w.kind, w.digest = workSource, nil
	return r.askFor(w)
}

// answerDigested ends the peer's work that needed a digest.
func (r *Resource) answerDigested(w *peerWork, sum []byte) {
	switch w.kind {
	case workCsum:
		r.blockIsEqual(w)
	case workThin:
		r.blockIsZero(w)
	case workSum:
		r.sendChecksum(w, sum)
	case workVerify:
		r.sendDigest(w, sum)
	case workCompare:
		r.compared(w, sum)
	case workLook:
		r.enqueue(peerWork{
			kind: workCompare, sector: w.sector, size: w.size, digest: bytes.Clone(sum), again: true,
		})
	default:
		if r.cfg.IntegrityAlg != "" {
			w.digest = bytes.Clone(sum)
		}
		r.answerRead(w)
	}
}

// discardFrom throws away a block that arrived damaged, and all that came
// behind it over the same link: it may depend on that block.
func (r *Resource) discardFrom(at int) {
	m := &r.mirror
	bad := m.list.all()[at]
	for i := at; i < m.list.len(); {
		if w := &m.list.all()[i]; w.conn != bad.conn || w.started {
			i++
			continue
		}
		w := m.remove(i)
		r.free(w.buf)
	}
	if bad.conn != r.link.conn {
		return
	}
	cmd := drbdwire.CmdData
	if bad.kind == workResync {
		cmd = drbdwire.CmdRSDataReply
	}
	r.damaged(cmd, bad.sector, bad.size)
}
