package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// driven is the DRBD of the machine's Linux, and polluxd --engine kernel, which
// gives it orders and says what it does.
type driven struct {
	kernel
	by *pollux
}

func drivenOn(n *node) *driven {
	return &driven{kernel{n}, &pollux{node: n, args: []string{"--engine", "kernel"}}}
}

func (*driven) String() string { return "kernel, driven by polluxd" }

func (d *driven) up(ctx SpecContext) { d.by.up(ctx) }

func (d *driven) down(ctx SpecContext) {
	GinkgoHelper()
	Expect(d.by.order(ctx, "down")).To(Succeed())
	d.by.down(ctx)
}

func (d *driven) order(ctx SpecContext, verb string, flags ...string) error {
	return d.by.order(ctx, verb, flags...)
}

func (d *driven) state(ctx SpecContext) state { return d.by.state(ctx) }

// isKernel tells whether the node's DRBD is that of its Linux, whoever drives it.
func (n *node) isKernel() bool {
	switch n.engine.(type) {
	case kernel, *driven:
		return true
	default:
		return false
	}
}
