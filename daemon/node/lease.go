package node

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/driver/etcd"
	driver "github.com/optionc/pollux/daemon/driver/witness"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// WitnessKey is the file in the state directory with what this node proves to a
// witness who it is.
const WitnessKey = "witness.key"

// thirdPlace is a connection to a witness.
type thirdPlace interface {
	Ask(packet []byte)
	Run(ctx context.Context)
}

// openWitness begins to look for the witness of ha.cf.
func (n *Node) openWitness() error {
	if n.site.HA == nil || n.site.HA.Policy != haconf.PolicyWitness {
		return nil
	}
	w := n.site.HA.Witness
	put := func(in witness.Input) { n.inbox.put(machine.Input{Part: machine.Lease, Lease: in}) }
	answered := func(packet []byte) { put(witness.Input{Kind: witness.Answered, Data: packet}) }
	reached := true
	hear := func(err error) {
		in := witness.Input{Kind: witness.Reached}
		if err != nil {
			in.Text = err.Error()
		}
		if reached != (err == nil) {
			n.tell("witness %s: reached %t %s", w, err == nil, in.Text)
		}
		reached = err == nil
		put(in)
	}
	var err error
	if len(w.Etcd.URLs) > 0 {
		n.witness, err = n.openEtcd(w.Etcd, answered, hear)
	} else {
		n.witness, err = n.openOwn(w, answered, hear)
	}
	if err != nil {
		return err
	}
	n.working.Go(func() { n.witness.Run(n.ctx) })
	return nil
}

// openOwn is for a pollux-witness.
func (n *Node) openOwn(w haconf.Witness, answered func([]byte), reached func(error)) (thirdPlace, error) {
	key, err := driver.LoadKey(filepath.Join(n.options.StateDir, WitnessKey))
	if err != nil {
		return nil, err
	}
	n.witnessPin = key.Pin
	n.log.Info("witness", "address", w.Address, "own pin", key.Pin)
	return driver.NewClient(driver.Client{
		Address: w.Address, Pin: w.Pin, Key: key, Answered: answered, Reached: reached,
	}), nil
}

// openEtcd is for a cluster.
func (n *Node) openEtcd(e haconf.Etcd, answered func([]byte), reached func(error)) (thirdPlace, error) {
	cfg := etcd.Config{
		Endpoints: e.URLs, Key: e.Prefix + n.site.Pair(), Node: n.site.Node, Lease: n.site.Lease(),
		Answered: answered, Reached: reached,
	}
	if strings.HasPrefix(e.URLs[0], "https:") {
		var err error
		if cfg.TLS, err = etcd.TLS(e.CA, e.Cert, e.Key); err != nil {
			return nil, err
		}
	}
	n.log.Info("witness", "etcd", e.URLs, "key", cfg.Key)
	return etcd.New(cfg)
}

func (n *Node) performLease(e *witness.Effect) {
	switch e.Kind {
	case witness.AskWitness:
		n.witness.Ask(e.Data)
	case witness.Note:
		n.tell("%s", e.Text)
	case witness.AskPeer, witness.AnswerPeer:
	}
}

// WitnessStatus is what is known of leases.
type WitnessStatus struct {
	Policy  string `json:"policy"`
	Address string `json:"address,omitempty"`
	// Pin is this node's own, for the file of a pollux-witness.
	Pin     string        `json:"pin,omitempty"`
	Trouble string        `json:"trouble,omitempty"` // why the witness can't be reached
	Leases  []LeaseStatus `json:"leases"`
}

// LeaseStatus is the lease of one group, on this node.
type LeaseStatus struct {
	Group  string  `json:"group"`
	Held   bool    `json:"held"`
	Left   float64 `json:"left-seconds"` // unless it is renewed
	Reason string  `json:"reason,omitempty"`
}

func (n *Node) witnessStatus(st *machine.Status) *WitnessStatus {
	if st.Lease == nil {
		return nil
	}
	w := &WitnessStatus{Policy: n.site.HA.Policy, Trouble: st.Lease.Unreached}
	if n.witness != nil {
		w.Address, w.Pin = n.site.HA.Witness.String(), n.witnessPin
	}
	for _, g := range st.Lease.Groups {
		w.Leases = append(w.Leases, LeaseStatus{
			Group: g.Name, Held: g.Held, Left: max(0, g.Until-n.now()).Seconds(), Reason: g.Reason,
		})
	}
	return w
}
