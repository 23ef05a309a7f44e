// Package witness carries questions to a witness and answers back, over TLS 1.3
// with pinned keys: each side knows the SHA-256 of the other's public key, and
// nothing else proves who somebody is.
package witness

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

const pemKey = "PRIVATE KEY"

// Key is the private key of a node or a witness, and its pin.
type Key struct {
	Pin         string // SHA-256 of the public key (SPKI), hexadecimal
	certificate tls.Certificate
}

// LoadKey reads the key in a file, and makes one if there is no file.
func LoadKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", path, err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return Key{}, fmt.Errorf("key %s: found no %s in PEM", path, pemKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, fmt.Errorf("key %s: found %T, want an Ed25519 key", path, parsed)
	}
	return selfSigned(key)
}

func makeKey(path string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
	return text, os.WriteFile(path, text, 0o600)
}

// selfSigned wraps the key into a certificate that says nothing: it is compared
// by its key alone, and does not expire.
func selfSigned(key ed25519.PrivateKey) (Key, error) {
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pollux"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return Key{}, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return Key{}, err
	}
	return Key{Pin: pinOf(parsed), certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// config lets in who has a key for which knows has no error.
func (k Key) config(knows func(pin string) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{k.certificate},
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true, //nolint:gosec // the key is compared below; no authority vouches for it
		VerifyConnection:   func(s tls.ConnectionState) error { return knows(peerPin(s)) },
	}
}

func peerPin(s tls.ConnectionState) string {
	if len(s.PeerCertificates) == 0 {
		return ""
	}
	return pinOf(s.PeerCertificates[0])
}
