package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
)

type status struct {
	Role string `json:"role"`
}

var handlers = control.Handlers{
	Status: func(context.Context) (any, error) { return status{"Primary"}, nil },
	Order: func(_ context.Context, o control.Order) control.Answer {
		if o.Order == "primary" && !o.Force {
			return control.Answer{Code: -2, Text: "Need access to UpToDate data"}
		}
		return control.Answer{OK: true, Code: 1, Text: o.Order + " " + o.Resource + " " + strings.Join(o.Args, ",")}
	},
}

// raw sends one request as it stands.
func raw(path, method, url string, body []byte) (int, string) {
	GinkgoHelper()
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequest(method, "http://polluxd"+url, bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	response, err := client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

var _ = Describe("The admin socket", func() {
	var (
		path   string
		server *control.Server
		client *control.Client
	)
	BeforeEach(func() {
		path = filepath.Join(GinkgoT().TempDir(), "control.sock")
		var err error
		server, err = control.Serve(path, handlers)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = server.Close() })
		client, err = control.Dial(path)
		Expect(err).NotTo(HaveOccurred())
	})

	It("tells the status", func(ctx SpecContext) {
		var s status
		Expect(client.Status(ctx, &s)).To(Succeed())
		Expect(s.Role).To(Equal("Primary"))
	})

	It("takes orders and answers them", func(ctx SpecContext) {
		Expect(client.Order(ctx, control.Order{Order: "primary", Resource: "r1"})).To(Equal(
			control.Answer{Code: -2, Text: "Need access to UpToDate data"}))
		Expect(client.Order(ctx, control.Order{Order: "primary", Resource: "r1", Force: true, Args: []string{"a", "b"}})).
			To(Equal(control.Answer{OK: true, Code: 1, Text: "primary r1 a,b"}))
		code, text := raw(path, http.MethodPost, "/v1/order", []byte(`{"order":"primary","resource":"r1"}`))
		Expect(code).To(Equal(http.StatusOK))
		Expect(text).To(MatchJSON(`{"ok":false,"code":-2,"text":"Need access to UpToDate data"}`))
	})

	It("refuses what is no order", func(ctx SpecContext) {
		for body, want := range map[string]string{
			"": "EOF", "{": "unexpected EOF", "[]": "cannot unmarshal", `{"order":"up","forse":true}`: "unknown field",
			"{}": "is empty", `{"order":"` + strings.Repeat("x", 100_000) + `"}`: "too large",
		} {
			code, text := raw(path, http.MethodPost, "/v1/order", []byte(body))
			Expect(code).To(Equal(http.StatusBadRequest))
			Expect(text).To(And(ContainSubstring("this is no order: "), ContainSubstring(want)))
		}
		code, _ := raw(path, http.MethodGet, "/v1/order", nil)
		Expect(code).To(Equal(http.StatusMethodNotAllowed))
		_, err := client.Order(ctx, control.Order{})
		Expect(err).To(MatchError(`order : this is no order: "order" is empty`))
	})

	It("is for its owner only", func() {
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	})

	It("is not taken away from a living daemon", func() {
		_, err := control.Serve(path, handlers)
		Expect(err).To(MatchError("listen on " + path + ": another daemon is running and listens there"))
	})

	It("sends each event to each listener", func(ctx SpecContext) {
		ctx2, stop := context.WithCancel(ctx)
		heard := [2]chan string{make(chan string, 10), make(chan string, 10)}
		ended := make(chan error, 2)
		for i := range heard {
			go func() {
				ended <- client.Events(ctx2, func(event json.RawMessage) { heard[i] <- string(event) })
			}()
		}
		Eventually(server.Listeners).WithContext(ctx).Should(Equal(2))
		Expect(server.Publish(status{"Secondary"})).To(Succeed())
		Expect(server.Publish(status{"Primary"})).To(Succeed())
		for i := range heard {
			Eventually(heard[i]).WithContext(ctx).Should(Receive(Equal(`{"role":"Secondary"}`)))
			Eventually(heard[i]).WithContext(ctx).Should(Receive(Equal(`{"role":"Primary"}`)))
		}
		stop()
		for range heard {
			Eventually(ended).WithContext(ctx).Should(Receive(BeNil()))
		}
		Eventually(server.Listeners).WithContext(ctx).Should(BeZero())
	})

	It("cuts a listener off that does not read", func(ctx SpecContext) {
		conn, err := net.Dial("unix", path)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: polluxd\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		Eventually(server.Listeners).WithContext(ctx).Should(Equal(1))
		big := strings.Repeat("x", 10_000)
		for range control.MaxBehind + 100 {
			Expect(server.Publish(big)).To(Succeed())
		}
		Expect(server.Listeners()).To(BeZero())
	})

	It("ends its listeners when it closes, and leaves no socket", func(ctx SpecContext) {
		ended := make(chan error, 1)
		go func() { ended <- client.Events(ctx, func(json.RawMessage) {}) }()
		Eventually(server.Listeners).WithContext(ctx).Should(Equal(1))
		Expect(server.Close()).To(Succeed())
		Eventually(ended).WithContext(ctx).Should(Receive(MatchError(HavePrefix("listen for events: "))))
		Expect(path).NotTo(BeAnExistingFile())
		Expect(client.Status(ctx, new(status))).To(MatchError(control.ErrNotRunning))
		_, err := client.Order(ctx, control.Order{Order: "up"})
		Expect(err).To(MatchError(control.ErrNotRunning))
	})

	It("refuses to publish what is no JSON", func() {
		Expect(server.Publish(make(chan int))).NotTo(Succeed())
	})
})

var _ = Describe("A path", func() {
	var path string
	BeforeEach(func() { path = filepath.Join(GinkgoT().TempDir(), "control.sock") })

	It("without a socket means that the daemon does not run", func() {
		_, err := control.Dial(path)
		Expect(err).To(MatchError(control.ErrNotRunning))
		Expect(err).To(MatchError("polluxd is not running: there is no socket " + path))
	})

	It("with a dead daemon's socket means the same, and a new daemon takes it over", func() {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		Expect(err).NotTo(HaveOccurred())
		listener.SetUnlinkOnClose(false)
		Expect(listener.Close()).To(Succeed())
		_, err = control.Dial(path)
		Expect(err).To(MatchError("polluxd is not running: nobody listens on " + path))
		server, err := control.Serve(path, handlers)
		Expect(err).NotTo(HaveOccurred())
		Expect(server.Close()).To(Succeed())
	})

	It("with a file is left alone", func() {
		Expect(os.WriteFile(path, []byte("precious"), 0o600)).To(Succeed())
		_, err := control.Serve(path, handlers)
		Expect(err).To(MatchError("listen on " + path + ": there is something else than a socket"))
		Expect(os.ReadFile(path)).To(BeEquivalentTo("precious"))
	})

	It("in no folder is an error", func() {
		_, err := control.Serve(filepath.Join(path, "x", "y"), handlers)
		Expect(err).To(MatchError(os.ErrNotExist))
	})
})

var _ = Describe("A daemon", func() {
	It("refuses other users", func(ctx SpecContext) {
		path := filepath.Join(GinkgoT().TempDir(), "control.sock")
		server, err := control.ServeFor(path, handlers, control.Nothing)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(server.Close)
		client, err := control.Dial(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(client.Status(ctx, new(status))).To(MatchError(
			"ask for the status: only root, polluxd's own user, and whom apiauth in ha.cf lets be cl_status may ask"))
		Expect(client.Events(ctx, nil)).NotTo(Succeed())
	})

	It("answers readers, and takes no orders of them", func(ctx SpecContext) {
		path := filepath.Join(GinkgoT().TempDir(), "control.sock")
		server, err := control.ServeFor(path, handlers, control.Asks)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(server.Close)
		client, err := control.Dial(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(client.Status(ctx, new(status))).To(Succeed())
		_, err = client.Order(ctx, control.Order{Order: "secondary", Resource: "r1"})
		Expect(err).To(MatchError("order secondary: only root and polluxd's own user may give orders"))
		code, _ := raw(path, http.MethodPut, "/v1/status", nil)
		Expect(code).To(Equal(http.StatusForbidden))
	})

	It("knows readers by number, by name and by group", func() {
		own := uint32(os.Geteuid())
		none, some := control.Readers{}, control.Readers{Users: []string{"root", "54321", "no-such-user"}, Groups: []string{"54322", "no-such-group"}}
		for _, r := range []control.Readers{none, some} {
			Expect(r.May(0, 0)).To(Equal(control.Orders))
			Expect(r.May(own, 7)).To(Equal(control.Orders))
			Expect(r.May(54320, 54320)).To(Equal(control.Nothing))
		}
		Expect(none.May(54321, 54322)).To(Equal(control.Nothing))
		Expect(some.May(54321, 7)).To(Equal(control.Asks))
		Expect(some.May(54320, 54322)).To(Equal(control.Asks))
	})

	It("opens its socket as far as its readers need", func() {
		group := strconv.Itoa(os.Getegid())
		for mode, readers := range map[os.FileMode]control.Readers{
			0o600: {Users: []string{"root", "no-such-user"}, Groups: []string{"no-such-group"}},
			0o660: {Users: []string{"root"}, Groups: []string{group}},
			0o666: {Users: []string{"54321"}, Groups: []string{group}},
		} {
			path := filepath.Join(GinkgoT().TempDir(), "control.sock")
			server, err := control.Serve(path, control.Handlers{Readers: readers})
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(server.Close)
			info, err := os.Stat(path)
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(mode))
		}
	})

	It("that can't tell its status says why", func(ctx SpecContext) {
		path := filepath.Join(GinkgoT().TempDir(), "control.sock")
		answers := []any{nil, make(chan int)}
		failures := []error{errors.New("the core is frozen"), nil}
		asked := 0
		server, err := control.Serve(path, control.Handlers{Status: func(context.Context) (any, error) {
			asked++
			return answers[asked-1], failures[asked-1]
		}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(server.Close)
		client, err := control.Dial(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(client.Status(ctx, new(status))).To(MatchError("ask for the status: the core is frozen"))
		Expect(client.Status(ctx, new(status))).To(MatchError(ContainSubstring("unsupported type: chan int")))
	})
})
