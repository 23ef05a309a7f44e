package input_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("What comes to the sockets of a Primary", Ordered, ContinueOnFailure, func() {
	var milo1 *local.Node

	BeforeAll(func(ctx SpecContext) {
		milo1 = local.New(local.Options{Programs: programs, DiskSize: 2 << 20}).Milo1
		milo1.CreateMD()
		milo1.Start(ctx)
		Eventually(milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("WFConnection"), "the disk is attached")
		Expect(milo1.Force(ctx, "primary")).To(Succeed())
	}, limit)

	AfterEach(func(ctx SpecContext) {
		unharmed(ctx, milo1)
		device, err := nbdclient.Dial(milo1.Device(), local.Resource)
		Expect(err).NotTo(HaveOccurred())
		_, err = device.ReadAt(make([]byte, 4096), 0)
		Expect(err).NotTo(HaveOccurred(), "a user who behaves is served")
		Expect(device.Close()).To(Succeed())
		Eventually(milo1.Users).WithContext(ctx).WithTimeout(moment).Should(BeZero(), "who misbehaved is no user any more")
	}, limit)

	DescribeTable("of the device, and is no NBD, ends that connection",
		func(stage func(net.Conn), sent []byte) {
			conn, err := net.Dial("unix", milo1.Device())
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func() { _ = conn.Close() })
			Expect(conn.SetDeadline(time.Now().Add(moment))).To(Succeed())
			stage(conn)
			_, _ = conn.Write(sent) // it may be closed in the middle
			hungUp(conn)
		},
		Entry("noise", greeted, noise(64<<10)),
		Entry("flags that there are not", greeted, []byte{0xff, 0xff, 0xff, 0xff}),
		Entry("an option of 4 GiB", greeted, option(nbd.OptionGo, 1<<32-1)),
		Entry("a request of another protocol", opened, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")),
		Entry("a write of 4 GiB", opened, nbd.Request{Command: nbd.CommandWrite, Length: 1<<32 - 512}.Append(nil)),
	)

	DescribeTable("of the device, and asks for what can't be, is refused",
		func(r nbd.Request, refusal nbd.ReplyError) {
			conn, err := net.Dial("unix", milo1.Device())
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = conn.Close() }()
			Expect(conn.SetDeadline(time.Now().Add(moment))).To(Succeed())
			opened(conn)
			_, err = conn.Write(r.Append(nil))
			Expect(err).NotTo(HaveOccurred())
			var head [nbd.ReplySize]byte
			_, err = io.ReadFull(conn, head[:])
			Expect(err).NotTo(HaveOccurred())
			Expect(nbd.DecodeReply(&head)).To(Equal(nbd.Reply{Error: refusal, Cookie: r.Cookie}))
		},
		Entry("a read behind the end", nbd.Request{Command: nbd.CommandRead, Cookie: 1, Offset: 1 << 40, Length: 512}, nbd.EINVAL),
		Entry("a read across the end", nbd.Request{Command: nbd.CommandRead, Cookie: 2, Length: 4 << 20}, nbd.EINVAL),
		Entry("a read of half a sector", nbd.Request{Command: nbd.CommandRead, Cookie: 3, Length: 100}, nbd.EINVAL),
		Entry("a trim behind the end", nbd.Request{Command: nbd.CommandTrim, Cookie: 4, Offset: 1 << 62, Length: 512}, nbd.EINVAL),
		Entry("a command that there is not", nbd.Request{Command: 77, Cookie: 5}, nbd.EINVAL),
	)

	DescribeTable("of the administrator, and is no order, is refused",
		func(ctx SpecContext, method, path, body string, status int, told string) {
			client := http.Client{Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					var dialer net.Dialer
					return dialer.DialContext(ctx, "unix", filepath.Join(milo1.RunDir(), "control.sock"))
				},
			}}
			request, err := http.NewRequestWithContext(ctx, method, "http://polluxd"+path, strings.NewReader(body))
			Expect(err).NotTo(HaveOccurred())
			response, err := client.Do(request)
			Expect(err).NotTo(HaveOccurred())
			text, err := io.ReadAll(response.Body)
			Expect(err).NotTo(HaveOccurred())
			Expect(response.StatusCode).To(Equal(status))
			Expect(string(text)).To(ContainSubstring(told))
		},
		Entry("no JSON", "POST", "/v1/order", "primary r1", http.StatusBadRequest, "this is no order"),
		Entry("nothing", "POST", "/v1/order", "{}", http.StatusBadRequest, "is empty"),
		Entry("too much", "POST", "/v1/order", `{"order":"`+strings.Repeat("x", 1<<20)+`"}`, http.StatusBadRequest, "too large"),
		Entry("an order that there is not", "POST", "/v1/order", `{"order":"explode"}`, http.StatusOK, `order \"explode\" is not known`),
		Entry("a resource that there is not", "POST", "/v1/order", `{"order":"primary","resource":"r7"}`, http.StatusOK,
			"r7: No such resource"),
		Entry("another page", "GET", "/index.html", "", http.StatusNotFound, ""),
	)
})

// greeted has read the server's greeting.
func greeted(conn net.Conn) {
	GinkgoHelper()
	_, err := io.ReadFull(conn, make([]byte, 18))
	Expect(err).NotTo(HaveOccurred())
}

// opened is where requests begin.
func opened(conn net.Conn) {
	GinkgoHelper()
	greeted(conn)
	b := append(option(nbd.OptionExportName, uint32(len(local.Resource))), local.Resource...)
	_, err := conn.Write(b)
	Expect(err).NotTo(HaveOccurred())
	_, err = io.ReadFull(conn, make([]byte, 10)) // size and flags
	Expect(err).NotTo(HaveOccurred())
}

// option is the client's flags and the head of an option.
func option(o nbd.Option, length uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, nbd.FixedNewstyle|nbd.NoZeroes)
	b = binary.BigEndian.AppendUint64(b, nbd.OptionMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(o))
	return binary.BigEndian.AppendUint32(b, length)
}
