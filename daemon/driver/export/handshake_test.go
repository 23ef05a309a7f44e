package export_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// What the server says of a device of 1 MiB with blocks of 512 and 4096.
const (
	saysExport = "\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x01\x6d"
	saysBlocks = "\x00\x03\x00\x00\x02\x00\x00\x00\x10\x00\x00\x10\x00\x00"
)

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		option nbd.Option
		data   string
		want   []optionReply
	}{
		"LIST has the one export": {nbd.OptionList, "", []optionReply{
			{nbd.OptionList, nbd.ReplyServer, "\x00\x00\x00\x02r0"}, {nbd.OptionList, nbd.ReplyAck, ""},
		}},
		"LIST with data is invalid": {nbd.OptionList, "x", []optionReply{
			{nbd.OptionList, nbd.ReplyInvalid, "LIST has no data"},
		}},
		"INFO tells size, flags and blocks": {nbd.OptionInfo, goData("r0", 3), []optionReply{
			{nbd.OptionInfo, nbd.ReplyInfo, saysExport},
			{nbd.OptionInfo, nbd.ReplyInfo, saysBlocks},
			{nbd.OptionInfo, nbd.ReplyAck, ""},
		}},
		"the default export is the same": {nbd.OptionInfo, goData(""), []optionReply{
			{nbd.OptionInfo, nbd.ReplyInfo, saysExport},
			{nbd.OptionInfo, nbd.ReplyInfo, saysBlocks},
			{nbd.OptionInfo, nbd.ReplyAck, ""},
		}},
		"another name is unknown": {nbd.OptionGo, goData("r1"), []optionReply{
			{nbd.OptionGo, nbd.ReplyUnknown, `the export here is "r0"`},
		}},
		"a name longer than the option is invalid": {nbd.OptionGo, "\xff\xff\xff\xffr0\x00\x00", []optionReply{
			{nbd.OptionGo, nbd.ReplyInvalid, "malformed request"},
		}},
		"kinds cut short are invalid": {nbd.OptionGo, goData("r0", 3)[:9], []optionReply{
			{nbd.OptionGo, nbd.ReplyInvalid, "malformed request"},
		}},
		"no data at all is invalid": {nbd.OptionGo, "", []optionReply{
			{nbd.OptionGo, nbd.ReplyInvalid, "malformed request"},
		}},
		"STARTTLS is not supported":         {5, "", []optionReply{{5, nbd.ReplyUnsupported, ""}}},
		"STRUCTURED_REPLY is not supported": {8, "", []optionReply{{8, nbd.ReplyUnsupported, ""}}},
		"an option of tomorrow is not supported": {4711, "what?", []optionReply{
			{4711, nbd.ReplyUnsupported, ""},
		}},
		"an option too long is skipped": {4711, strings.Repeat("x", 100<<10), []optionReply{
			{4711, nbd.ReplyTooBig, "too long"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := dial(t, newDevice(t, 1<<20).socket)
			c.greet(nbd.FixedNewstyle)
			c.send(option(tc.option, tc.data))
			for _, want := range tc.want {
				g.Expect(c.optionReply()).To(Equal(want))
			}
			// And the handshake goes on.
			c.send(option(nbd.OptionGo, goData("r0")))
			g.Expect(c.optionReply().Data).To(Equal(saysExport))
			g.Expect(c.optionReply().Data).To(Equal(saysBlocks))
			g.Expect(c.optionReply().Kind).To(Equal(nbd.ReplyAck))
			c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 7}.Append(nil))
			g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 7}))
		})
	}
}

func TestExportNameHasZeroesUnlessRefused(t *testing.T) {
	for flags, want := range map[uint32]int{nbd.FixedNewstyle: 134, nbd.FixedNewstyle | nbd.NoZeroes: 10, 0: 134} {
		g := NewWithT(t)
		c := dial(t, newDevice(t, 1<<20).socket)
		c.greet(flags)
		c.send(option(nbd.OptionExportName, "r0"))
		answer := c.take(want)
		g.Expect(string(answer[:10])).To(Equal(saysExport[2:]))
		g.Expect(answer[10:]).To(Equal(make([]byte, want-10)))
		c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 7}.Append(nil))
		g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 7}))
	}
}

func TestAbortIsAcknowledged(t *testing.T) {
	g := NewWithT(t)
	c := dial(t, newDevice(t, 1<<20).socket)
	c.greet(nbd.FixedNewstyle)
	c.send(option(nbd.OptionAbort, ""))
	g.Expect(c.optionReply()).To(Equal(optionReply{nbd.OptionAbort, nbd.ReplyAck, ""}))
	g.Expect(c.ended()).To(BeTrue())
}

func TestHandshakesThatEndTheConnection(t *testing.T) {
	const flags, length = "\x00\x00\x00\x01", "\x7f\xff\xff\xff"
	for name, says := range map[string]string{
		"unknown client flags":            "\x80\x00\x00\x01",
		"an option that is none":          flags + "GET / HTTP/1.1\r\n",
		"EXPORT_NAME of something else":   flags + string(option(nbd.OptionExportName, "r1")),
		"an option of absurd length":      flags + string(option(nbd.OptionGo, "")[:12]) + length,
		"EXPORT_NAME longer than allowed": flags + string(option(nbd.OptionExportName, "")[:12]) + length,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDevice(t, 1<<20)
			c := dial(t, d.socket)
			c.take(18)
			c.send([]byte(says))
			g.Expect(c.ended()).To(BeTrue())
			g.Expect(d.Users()).To(BeZero())
		})
	}
}

func TestAClientThatTriesOptionsForEverIsDropped(t *testing.T) {
	g := NewWithT(t)
	c := dial(t, newDevice(t, 1<<20).socket)
	c.greet(nbd.FixedNewstyle)
	for range 256 {
		c.send(option(nbd.OptionList, "x"))
		g.Expect(c.optionReply().Kind).To(Equal(nbd.ReplyInvalid))
	}
	g.Expect(c.ended()).To(BeTrue())
}

func TestADeviceThatCannotTrimSaysSo(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 1<<20, func(_ *export.Config, spec *export.Spec) { spec.NoTrim = true })
	c := dial(t, d.socket)
	c.greet(nbd.FixedNewstyle)
	c.send(option(nbd.OptionGo, goData("r0")))
	g.Expect(c.optionReply().Data).To(HaveSuffix("\x01\x4d"))
	c.optionReply()
	c.optionReply()
	c.send(nbd.Request{Command: nbd.CommandTrim, Length: 4096}.Append(nil))
	g.Expect(c.reply().Error).To(Equal(nbd.EINVAL))
	c.send(nbd.Request{Command: nbd.CommandWriteZeroes, Length: 4096}.Append(nil))
	g.Expect(c.reply().Error).To(BeZero())
	g.Expect(d.seen()).To(Equal([]string{"zero 0+4096"}))
}
