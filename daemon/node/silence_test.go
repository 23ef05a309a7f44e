package node_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/node"
)

func TestANodeThatIsStartedAnewIsHeardWithinDeadtime(t *testing.T) {
	for _, tc := range []struct{ deadtime, silence time.Duration }{
		{90 * time.Second, 10 * time.Second},
		{30 * time.Second, 10 * time.Second},
		{9 * time.Second, 3 * time.Second},
		{2 * time.Second, 666 * time.Millisecond},
	} {
		NewWithT(t).Expect(node.Silence(tc.deadtime)).To(BeNumerically("~", tc.silence, time.Millisecond), "deadtime %v", tc.deadtime)
	}
}
