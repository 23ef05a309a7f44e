package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// kernels is a node without a peer, whose two resources the kernel's DRBD
// replicates: a promotion takes as long as the test wants.
type kernels struct {
	core   *machine.Machine
	now    time.Duration
	orders [2]uint64 // that each resource was given last
}

func (k *kernels) step(in machine.Input) {
	for _, e := range k.core.Step(k.now, in, nil) {
		if e.Part == machine.Replica && e.Replica.Kind == replica.Delegate {
			k.orders[e.Resource] = e.Replica.ID
		}
	}
	k.core.Recycle()
}

// is says what is seen of both resources, which have lost an outdated peer.
func (k *kernels) is(roles ...drbdwire.Role) {
	for i, role := range roles {
		s := drbdwire.State{
			Role: role, Conn: drbdwire.WFConnection, Disk: drbdwire.UpToDate, PeerDisk: drbdwire.Outdated,
		}
		k.step(machine.Input{Part: machine.Replica, Resource: i, Replica: replica.Input{
			Kind: replica.Observed, ID: 0xA000, Sector: sectors, State: s.Pack(),
		}})
	}
}

// done ends the promotion of a resource.
func (k *kernels) done(resource int) {
	k.step(machine.Input{Part: machine.Replica, Resource: resource, Replica: replica.Input{
		Kind: replica.Delegated, ID: k.orders[resource], Exit: int(drbdwire.Success),
	}})
}

func (k *kernels) pass(d time.Duration) {
	for until := k.now + d; k.core.Deadline() <= until; {
		k.now = max(k.now, k.core.Deadline())
		k.step(machine.Input{Part: machine.All})
	}
}

var _ = Describe("A look at a group that runs", func() {
	It("does not disturb the promotion of another group's resource", func() {
		c := config("milo1", "milo2", 1)
		second := c.Resources[0]
		second.Name = "r2"
		c.Resources, c.Foreign = append(c.Resources, second), []bool{true, true}
		c.Failover.Monitor = failover.Monitor{Every: 10 * time.Second, Restarts: 3, Period: time.Hour}
		var err error
		c.Failover.Groups, err = haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1\nmilo1 drbddisk::r2\n"),
			[]string{"milo1", "milo2"})
		Expect(err).NotTo(HaveOccurred())
		k := &kernels{}
		k.core, err = machine.New(c)
		Expect(err).NotTo(HaveOccurred())
		k.is(drbdwire.Secondary, drbdwire.Secondary)
		for _, kind := range []failover.InputKind{failover.Started, failover.CommsUp, failover.PeerDied} {
			k.step(machine.Input{Part: machine.Failover, Failover: failover.Input{Kind: kind}})
		}
		k.is(drbdwire.Primary, drbdwire.Secondary)
		k.done(0)
		states := func() (states []string) {
			for _, g := range k.core.Status().Failover.Groups {
				states = append(states, g.State)
			}
			return states
		}
		Expect(states()).To(Equal([]string{"running", "starting"}))

		k.pass(time.Minute)
		k.is(drbdwire.Primary, drbdwire.Primary)
		k.done(1)
		Expect(states()).To(Equal([]string{"running", "running"}))
	})
})
