package node

import (
	"path/filepath"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	driver "github.com/optionc/pollux/daemon/driver/witness"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// WitnessKey is the file in the state directory with what this node proves to a
// witness who it is.
const WitnessKey = "witness.key"

// openWitness begins to look for the witness of ha.cf.
func (n *Node) openWitness() error {
	if n.site.HA == nil || n.site.HA.Policy != haconf.PolicyWitness {
		return nil
	}
	key, err := driver.LoadKey(filepath.Join(n.options.StateDir, WitnessKey))
	if err != nil {
		return err
	}
	n.log.Info("witness", "address", n.site.HA.Witness.Address, "own pin", key.Pin)
	put := func(in witness.Input) { n.inbox.put(machine.Input{Part: machine.Lease, Lease: in}) }
	reached := true
	n.witness = driver.NewClient(driver.Client{
		Address: n.site.HA.Witness.Address, Pin: n.site.HA.Witness.Pin, Key: key,
		Answered: func(packet []byte) { put(witness.Input{Kind: witness.Answered, Data: packet}) },
		Reached: func(err error) {
			in := witness.Input{Kind: witness.Reached}
			if err != nil {
				in.Text = err.Error()
			}
			if reached != (err == nil) {
				n.tell("witness %s: reached %t %s", n.site.HA.Witness.Address, err == nil, in.Text)
			}
			reached = err == nil
			put(in)
		},
	})
	n.working.Go(func() { n.witness.Run(n.ctx) })
	return nil
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
	// Pin is this node's own, for the witness's file.
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
		w.Address, w.Pin = n.witness.Address, n.witness.Key.Pin
	}
	for _, g := range st.Lease.Groups {
		w.Leases = append(w.Leases, LeaseStatus{
			Group: g.Name, Held: g.Held, Left: max(0, g.Until-n.now()).Seconds(), Reason: g.Reason,
		})
	}
	return w
}
