package dnsname

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/miekg/dns"
)

// key is a shared secret of a node and a name server.
type key struct{ name, algorithm, secret string }

// The parts of a key as named.conf has it, and tsig-keygen prints it. Source:
// BIND 9 reference manual, key.
var (
	keyName      = regexp.MustCompile(`(?m)^\s*key\s+"?([^"\s{]+)"?\s*\{`)
	keyAlgorithm = regexp.MustCompile(`\balgorithm\s+"?([A-Za-z0-9-]+)"?\s*;`)
	keySecret    = regexp.MustCompile(`\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;`)
)

func parseKey(text string) (key, error) {
	name, algorithm, secret := keyName.FindStringSubmatch(text), keyAlgorithm.FindStringSubmatch(text),
		keySecret.FindStringSubmatch(text)
	if name == nil || algorithm == nil || secret == nil {
		return key{}, errors.New(`found no key, want: key "NAME" { algorithm hmac-sha256; secret "BASE64"; };`)
	}
	if _, err := base64.StdEncoding.DecodeString(secret[1]); err != nil {
		return key{}, errors.New("the secret is not in base64")
	}
	k := key{name: strings.ToLower(dns.Fqdn(name[1])), secret: secret[1], algorithm: dns.Fqdn(strings.ToLower(algorithm[1]))}
	switch k.algorithm {
	case dns.HmacSHA1, dns.HmacSHA224, dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512:
		return k, nil
	default:
		return key{}, fmt.Errorf("algorithm %s: want hmac-sha256, or another hmac-sha", algorithm[1])
	}
}
