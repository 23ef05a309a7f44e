package export_test

import (
	"io"
	"net"
	"testing"

	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// FuzzConversation feeds a client's half of a connection to the server. It
// must neither crash nor hang, ask for nothing that is outside of the device,
// and have given everything back when the client is gone.
func FuzzConversation(f *testing.F) {
	const size = 4 << 20
	open := "\x00\x00\x00\x03" + string(option(nbd.OptionExportName, "r0"))
	request := func(r nbd.Request) string { return string(r.Append(nil)) }
	f.Add([]byte(open +
		request(nbd.Request{Command: nbd.CommandWrite, Flags: nbd.FUA, Offset: 512, Length: 4}) + "four" +
		request(nbd.Request{Command: nbd.CommandWrite, Offset: 512, Length: 512}) + string(make([]byte, 512)) +
		request(nbd.Request{Command: nbd.CommandRead, Length: 2 << 20, Cookie: 1}) +
		request(nbd.Request{Command: nbd.CommandRead, Length: 4096, Cookie: 1}) +
		request(nbd.Request{Command: nbd.CommandTrim, Length: 3 << 20}) +
		request(nbd.Request{Command: nbd.CommandFlush}) + request(nbd.Request{Command: nbd.CommandDisconnect})))
	f.Add([]byte("\x00\x00\x00\x01" + string(option(nbd.OptionList, "")) +
		string(option(nbd.OptionInfo, goData("r0", 0, 3))) + string(option(8, "")) +
		string(option(nbd.OptionGo, goData("")))))
	f.Add([]byte("\x00\x00\x00\x01" + string(option(nbd.OptionAbort, ""))))
	f.Add([]byte(open + request(nbd.Request{Command: nbd.CommandWrite, Length: 1 << 20}) + "cut"))

	pool, err := buffer.NewPool(8 << 20)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(pool.Close)
	m := &memory{pool: pool, data: make([]byte, size)}
	s := export.NewServer(export.Config{
		Socket: f.TempDir() + "/r0.nbd", Pool: pool, Budget: 2 << 20,
		Handler: func(r *export.Request) {
			if r.Sector*512+uint64(r.Size) > size || r.Size > export.MaxRequest {
				panic(text(r))
			}
			m.handle(r)
		},
	})
	if err := s.Expose(export.Spec{Name: "r0", Sectors: size / 512, LogicalBlock: 512, PhysicalBlock: 512}); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })

	f.Fuzz(func(t *testing.T, says []byte) {
		m.seen()
		client, server := net.Pipe()
		read := make(chan bool)
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, client)
		}()
		go func() {
			_, _ = client.Write(says)
			_ = client.Close()
		}()
		export.Serve(s, server)
		<-read
		if left := export.BudgetLeft(s); left != 2<<20 {
			t.Errorf("budget is %d, want %d", left, 2<<20)
		}
		if n := s.Users(); n != 0 {
			t.Errorf("%d users are left", n)
		}
	})
}
