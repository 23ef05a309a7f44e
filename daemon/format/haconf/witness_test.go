package haconf_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

var pin = strings.Repeat("0123456789abcdef", 4)

func TestWitness(t *testing.T) {
	for name, tc := range map[string]struct {
		lines   string
		witness haconf.Witness
		policy  string
		lease   time.Duration
	}{
		"without one both nodes go on": {policy: haconf.PolicyLastMan, lease: 30 * time.Second},
		"a witness is asked": {
			lines: "deadtime 5\nwitness third.example:7790 " + pin, policy: haconf.PolicyWitness, lease: 10 * time.Second,
			witness: haconf.Witness{Address: "third.example:7790", Pin: pin},
		},
		"guests wait":          {lines: "policy freeze\ndeadtime 90", policy: haconf.PolicyFreeze, lease: time.Minute},
		"a lease of one's own": {lines: "policy freeze\nlease 20", policy: haconf.PolicyFreeze, lease: 20 * time.Second},
		"an address of version six": {
			lines: "witness [fd00::1]:7790 " + pin, policy: haconf.PolicyWitness, lease: 30 * time.Second,
			witness: haconf.Witness{Address: "[fd00::1]:7790", Pin: pin},
		},
		"an etcd": {
			lines: "witness etcd https://a:2379,https://b:2379", policy: haconf.PolicyWitness, lease: 30 * time.Second,
			witness: haconf.Witness{Etcd: haconf.Etcd{URLs: []string{"https://a:2379", "https://b:2379"}, Prefix: "/pollux/"}},
		},
		"an etcd that knows its clients": {
			lines:  "witness etcd https://[fd00::1]:2379 prefix=ha/ ca=/etc/ca.pem cert=/etc/a,b.pem key=/etc/a.key",
			policy: haconf.PolicyWitness, lease: 30 * time.Second,
			witness: haconf.Witness{Etcd: haconf.Etcd{
				URLs: []string{"https://[fd00::1]:2379"}, CA: "/etc/ca.pem", Cert: "/etc/a,b.pem", Key: "/etc/a.key", Prefix: "ha/",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ha, err := haconf.ParseHA("ha.cf", []byte(base+tc.lines+"\n"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ha.Witness).To(Equal(tc.witness))
			g.Expect(ha.Policy).To(Equal(tc.policy))
			g.Expect(ha.Lease).To(Equal(tc.lease))
		})
	}
}

func TestWitnessesThatAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"witness third:7790":                             "and the witness's pin",
		"witness third " + pin:                           "want HOST:PORT",
		"witness third:7790 abc":                         "64 hexadecimal digits",
		"witness etcd":                                   "the URLs of the members behind etcd",
		"witness etcd a:2379":                            "want the URL of a member, as https://192.0.2.1:2379",
		"witness etcd https://a:2379,http://b:2379":      "https in all URLs, or http",
		"witness etcd https://a:2379/x":                  "the URL of a member",
		"witness etcd https://a:2379 ca=pem":             "a path that starts with '/'",
		"witness etcd https://a:2379 password=secret":    "ca=, cert= or key= with a path, or prefix=",
		"witness etcd https://a:2379 cert=/etc/cert.pem": "cert= and key=, or none of them",
		"witness etcd http://a:2379 ca=/etc/cert.pem":    "https in the URLs, where there are certificates",
		"policy both":                                    "want last-man, freeze or witness",
		"policy witness":                                 "a line with the witness",
		"lease 30s":                                      "want a time",
		"policy":                                         "last-man, freeze or witness behind policy",
	} {
		t.Run(line, func(t *testing.T) {
			_, err := haconf.ParseHA("ha.cf", []byte(base+line+"\n"))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
		})
	}
}

func TestWhereTheWitnessIs(t *testing.T) {
	g := NewWithT(t)
	g.Expect(haconf.Witness{}.There()).To(BeFalse())
	w := haconf.Witness{Etcd: haconf.Etcd{URLs: []string{"https://a:2379", "https://b:2379"}}}
	g.Expect(w.There()).To(BeTrue())
	g.Expect(w.String()).To(Equal("etcd https://a:2379,https://b:2379"))
	g.Expect(haconf.Witness{Address: "third:7790"}.String()).To(Equal("third:7790"))
	ha, err := haconf.ParseHA("ha.cf", []byte(base+"witness etcd http://a:2379,http://b:2379\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ha.Warnings).To(ConsistOf(HaveField("Text", ContainSubstring("etcd over http"))))
}
