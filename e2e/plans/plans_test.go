package plans_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
)

var _ = Describe("The simulator and real machines agree on", Label("vm"), func() {
	for _, name := range names() {
		It(name, func(ctx SpecContext) {
			scenario, err := load(name)
			Expect(err).NotTo(HaveOccurred())
			simulated := simulate(ctx, name, scenario)
			Expect(simulated.Good(scenario)).To(BeTrue(), "the simulator: %s", simulated.Describe(scenario))
			r := results[name]
			Eventually(r.done).WithContext(ctx).WithTimeout(time.Hour).Should(BeClosed(), "the machines play one after the other")
			Expect(r.err).NotTo(HaveOccurred(), func() string { return r.log })
			Expect(r.verdict.Lines(scenario)).To(Equal(simulated.Lines(scenario)), func() string {
				return "THE TWO WORLDS DISAGREE: either the model is wrong, or the daemon.\n" +
					"What the simulator says:\n" + simulated.Describe(scenario) +
					"What the machines say:\n" + r.verdict.Describe(scenario) + "What they did:\n" + r.log
			})
		}, SpecTimeout(time.Hour))
	}
})

// simulate asks the simulator.
func simulate(ctx SpecContext, name string, s plan.Scenario) (v plan.Verdict) {
	GinkgoHelper()
	file := filepath.Join(folder, name+".plan")
	Expect(os.WriteFile(file, []byte(s.String()), 0o600)).To(Succeed())
	cmd := exec.CommandContext(ctx, simulator, "run", file, "--json")
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited { // one that ended badly has said why
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(json.Unmarshal(said.Bytes(), &v)).To(Succeed(), "%s", complained.String())
	return v
}
