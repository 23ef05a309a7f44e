package kernel_test

import (
	"context"
	"errors"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/export/kernel"
)

var _ = Describe("A machine without the driver", func() {
	It("says why it can't make devices", func(ctx SpecContext) {
		if _, err := kernel.FamilyOf("nbd"); err == nil {
			Skip("the driver is loaded here")
		}
		missing := errors.New("there is no such module")
		asked := ""
		err := kernel.Available(ctx, func(_ context.Context, p command.Program) (command.Result, error) {
			asked = p.String()
			return command.Result{}, missing
		})
		if os.Geteuid() != 0 {
			Expect(err).To(MatchError("only root may make block devices"))
			return
		}
		Expect(err).To(MatchError(missing))
		Expect(asked).To(Equal("modprobe nbd max_part=0"))
	})
})
