// Package etcd_test lets nodes have a real etcd for their witness: that of
// Debian's package.
package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
	"github.com/optionc/pollux/qemu/debian"
)

func TestEtcd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/etcd")
}

var (
	program  string // etcd
	programs *local.Programs
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("fetches etcd: run with POLLUX_E2E=1")
	}
	archive, err := debian.Open()
	Expect(err).NotTo(HaveOccurred())
	quarry, err := archive.Alone(ctx, "etcd-server")
	Expect(err).NotTo(HaveOccurred())
	program = filepath.Join(quarry.Dir, "usr/bin/etcd")
	programs = local.Build(ctx)
}, NodeTimeout(5*time.Minute))

// server is one etcd, a cluster of one member.
type server struct {
	dir  string
	url  string
	peer string
	args []string
	cmd  *exec.Cmd
}

// newServer makes one that is not running yet. With TLS it wants to see a
// certificate of who connects.
func newServer(encrypted bool) *server {
	GinkgoHelper()
	s := &server{dir: GinkgoT().TempDir()}
	client, peer := freeAddress(), freeAddress()
	s.url, s.peer = "http://"+client, "http://"+peer
	if encrypted {
		s.url = "https://" + client
		authority := newAuthority()
		for _, name := range []string{"server", "node"} {
			authority.issue(s.dir, name)
		}
		newAuthority().issue(s.dir, "stranger")
		Expect(os.WriteFile(filepath.Join(s.dir, "ca.pem"), authority.pem, 0o600)).To(Succeed())
		s.args = []string{
			"--client-cert-auth", "--trusted-ca-file", s.path("ca.pem"), "--cert-file", s.path("server.pem"),
			"--key-file", s.path("server.key"),
		}
	}
	DeferCleanup(s.stop)
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func freeAddress() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *server) start(ctx context.Context) {
	GinkgoHelper()
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, append([]string{
		"--name", "default", "--data-dir", s.path("data"), "--listen-client-urls", s.url, "--advertise-client-urls", s.url,
		"--listen-peer-urls", s.peer, "--initial-advertise-peer-urls", s.peer, "--initial-cluster", "default=" + s.peer,
	}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = GinkgoWriter, GinkgoWriter
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Expect(s.cmd.Start()).To(Succeed())
}

// stop ends it as a power cut does.
func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority() *authority {
	GinkgoHelper()
	a := &authority{}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	a.key, der = a.sign(a.cert)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// sign makes a key and its certificate; the first one is the authority's own.
func (a *authority) sign(cert *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	by := a.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, by)
	Expect(err).NotTo(HaveOccurred())
	return key, der
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(dir, name string) {
	GinkgoHelper()
	key, der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		Expect(os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600)).To(Succeed())
	}
}
