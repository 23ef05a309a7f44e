package drbdwire_test

import (
	"bytes"
	"testing"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// seedFrom adds the payloads in a recording, without blocks, for each command.
func seedFrom(f *testing.F, recording string, commands ...drbdwire.Command) {
	f.Helper()
	for _, p := range packetsOf(f, captures+"/"+recording) {
		for _, cmd := range commands {
			if p.Header.Command == cmd {
				f.Add(p.Payload[:p.Fixed])
			}
		}
	}
}

// fuzzDecoders holds decoders to this: no panic, and what is accepted, encoded
// and decoded again is the same value.
func fuzzDecoders(f *testing.F, names ...string) {
	f.Helper()
	all := decoders()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range names {
			p, err := all[name](b)
			if err != nil {
				continue
			}
			again, err := all[name](p.Append(nil))
			if err != nil || again != p {
				t.Errorf("%s %+v\n from %x\n comes back as %+v, %v", name, p, b, again, err)
			}
		}
	})
}

func FuzzHandshake(f *testing.F) {
	seedFrom(f, "c15-data-integrity.sha1.pcap.gz", drbdwire.CmdFeatures, drbdwire.CmdProtocol, drbdwire.CmdSyncParam89,
		drbdwire.CmdSizes, drbdwire.CmdUUIDs, drbdwire.CmdState, drbdwire.CmdSyncUUID)
	fuzzDecoders(f, "features", "protocol", "sync param", "sizes", "uuids", "sync uuid", "state", "state change",
		"state reply")
}

func FuzzBlocks(f *testing.F) {
	seedFrom(f, "c16-trim.pcap.gz", drbdwire.CmdData, drbdwire.CmdTrim, drbdwire.CmdZeroes, drbdwire.CmdWriteAck,
		drbdwire.CmdBarrier, drbdwire.CmdBarrierAck)
	seedFrom(f, "c11-csums-resync.pcap.gz", drbdwire.CmdCsumRSRequest, drbdwire.CmdRSDataReply, drbdwire.CmdRSIsInSync)
	fuzzDecoders(f, "data", "trim", "request", "ack", "desc", "barrier", "barrier ack")
}

func FuzzSyncParamFor(f *testing.F) {
	f.Add(88, []byte("\x00\x00\x00\xfamd5\x00"))
	f.Add(89, make([]byte, 132))
	f.Fuzz(func(t *testing.T, version int, b []byte) {
		s, err := drbdwire.DecodeSyncParamFor(version, b)
		if err != nil {
			return
		}
		if again, err := drbdwire.DecodeSyncParam(s.Append(nil)); err != nil || again != s {
			t.Errorf("%+v from %x comes back as %+v, %v", s, b, again, err)
		}
	})
}

// FuzzDecodeRLE holds to this: whatever a peer sends only sets bits of the
// bitmap, as many as it says, and either goes on or is refused.
func FuzzDecodeRLE(f *testing.F) {
	seedFrom(f, "c09-bitmap-large-rle.pcap.gz", drbdwire.CmdCompressedBitmap)
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	const bits = 65525
	f.Fuzz(func(t *testing.T, b []byte) {
		words := make([]uint64, 1024)
		words[0] = 0xff
		next, set, err := drbdwire.DecodeRLE(b, words, bits, 4)
		if words[0]&0xff != 0xff || words[1023]>>(bits%64) != 0 || count(words) != 8+set {
			t.Errorf("%x set %d bits of %x", b, set, words)
		}
		if err == nil && (next <= 4 || next > bits) {
			t.Errorf("%x goes on at bit %d", b, next)
		}
	})
}

// FuzzBitmap sends any bitmap, in any room, and gets it back.
func FuzzBitmap(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0x55}, 1000), uint8(3), uint16(4080), true)
	f.Add(make([]byte, 3000), uint8(63), uint16(64), true)
	f.Add(bytes.Repeat([]byte{0xff, 0xff, 0, 0}, 900), uint8(0), uint16(4088), false)
	f.Fuzz(func(t *testing.T, b []byte, spare uint8, room uint16, rle bool) {
		words := make([]uint64, (len(b)+7)/8)
		bits := uint64(8 * len(b))
		if _, err := drbdwire.MergeWords(words[:len(b)/8], b[:len(b)/8*8], 0); err != nil {
			t.Fatal(err)
		}
		bits -= min(bits, uint64(spare%8))
		if n := bits / 64; bits%64 != 0 {
			words[n] &= 1<<(bits%64) - 1
		}
		space := 8 + int(room)%4081
		back := make([]uint64, len(words))
		sender := drbdwire.NewBitmapSender(words, bits)
		receiver := drbdwire.NewBitmapReceiver(back, bits, space)
		for done, packets := false, 0; !done; packets++ {
			var cmd drbdwire.Command
			var payload []byte
			cmd, payload, done = sender.Next(space, rle, nil)
			received, err := receiver.Take(cmd, payload)
			if err != nil || received != done || len(payload) > space || packets > len(words)+1 {
				t.Fatalf("packet %d, %s of %d bytes: %v, done %v and %v", packets, cmd, len(payload), err, done, received)
			}
		}
		for i := range words {
			if back[i] != words[i] {
				t.Fatalf("word %d is %x, want %x", i, back[i], words[i])
			}
		}
	})
}
