# Everything CI does is a target here; `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash -euo pipefail
# How long a test waits for what must happen: a busy machine is no failure.
export GOMEGA_DEFAULT_EVENTUALLY_TIMEOUT := 60s

SEED    ?=
SOAKFOR ?= 1h
FUZZFOR ?= 30s

# Tools run from the module cache at these versions; nothing is installed.
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
DEAD := go run golang.org/x/tools/cmd/deadcode@v0.52.0

# What the tests call to compare with tools that are not ours, by Debian
# package. A test whose tool is missing says so and is skipped.
TESTDEPS := drbd-utils e2fsprogs fuse3 libnbd-bin qemu-utils resource-agents

# What machines in QEMU need, by Debian package.
VMDEPS := e2fsprogs iproute2 qemu-system-x86 util-linux

# What `make e2e` runs, and how often it cuts the power of the active dom0, and kills its polluxd:
# `make e2e SUITES=e2e/page ROUNDS=1` is the page once. POLLUX_PLANS="NAME ..."
# are the scenarios that e2e/plans plays.
SUITES ?= $(shell grep -rl --include='*_test.go' RunSpecs e2e qemu | xargs -n 1 dirname | sort -u)
ROUNDS ?= 10

# Which Linux's DRBD `make interop` meets, and how much: full is the whole
# matrix and the scenarios beside it, smoke is some rows in protocol C.
KERNELS ?= 6.1 6.12
MATRIX  ?= full

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: check
check: lint test tidy ## all that a commit needs: what CI runs on every push

.PHONY: ci
ci: ## exactly what CI runs, on a machine that has Go and gcc
	.ci/run

.PHONY: build
build: ## build the commands into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

.PHONY: demo
demo: build ## two nodes and a disaster, on this machine
	bin/pollux demo

.PHONY: demo-split
demo-split: build ## two nodes and a witness: lines are cut, exactly one node goes on
	bin/pollux demo split

# missing tells which of the packages in $(1) are not installed.
missing = $$(for package in $(1); do \
	  [[ $$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null) == installed ]] || echo "$$package"; \
	done)
# install installs the packages in $$missing, as root on Debian.
install = export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing </dev/null >/dev/null
can_install = (( EUID == 0 )) && command -v apt-get >/dev/null

.PHONY: deps-test
deps-test: ## install what the tests compare with (root on Debian), or say what is missing
	@missing=$(call missing,$(TESTDEPS)); \
	if [[ -z $$missing ]]; then exit; fi; \
	if ! { $(can_install); }; then echo "Some tests will be skipped. To run them: apt-get install "$$missing; exit; fi; \
	$(install)

.PHONY: deps-vm
deps-vm: ## install what machines in QEMU need (root on Debian), or say what is missing
	@missing=$(call missing,$(VMDEPS)); \
	if [[ -z $$missing ]]; then exit; fi; \
	if ! { $(can_install); }; then echo "First, as root: apt-get install "$$missing; exit 1; fi; \
	$(install)

.PHONY: demo-xen
demo-xen: deps-vm ## two Xen dom0s in QEMU, a guest, and a power loss
	go run ./e2e/demoxen

# Sections of BENCHMARKS.md that `make bench` measures anew; empty is all.
BENCH ?=

.PHONY: bench
bench: deps-vm ## measure what pollux costs and write the tables into BENCHMARKS.md; BENCH="frontend pair" is a part
	go run ./bench -o BENCHMARKS.md $(BENCH)

.PHONY: e2e
e2e: deps-test deps-vm ## all suites against real things, one after the other; JUnit goes to reports/
	@# A suite has two machines, and measures time: so there is one at a time.
	@mkdir -p reports; status=0; \
	for suite in $(SUITES); do \
	  POLLUX_E2E=1 POLLUX_ROUNDS=$(ROUNDS) go test -count=1 -timeout 3h "./$$suite" -v -ginkgo.succinct -ginkgo.no-color \
	    "-ginkgo.junit-report=$(CURDIR)/reports/$${suite//\//-}.xml" || status=1; \
	done; exit $$status

.PHONY: interop
interop: interop-drbd interop-heartbeat ## pollux with a real DRBD and a real Heartbeat as the peer

.PHONY: interop-drbd
interop-drbd: deps-test deps-vm ## pollux and the DRBD of each of KERNELS, as a table; JUnit and logs go to reports/
	@# A machine and a cell for each kernel, all kernels at once: most of the time they wait.
	@mkdir -p reports; status=0; declare -A runs; \
	for kernel in $(KERNELS); do \
	  echo "Linux $$kernel: reports/interop-$$kernel.log"; \
	  POLLUX_E2E=1 POLLUX_KERNEL=$$kernel POLLUX_MATRIX=$(MATRIX) go test -count=1 -timeout 2h ./e2e/kernelpeer \
	    -v -ginkgo.v -ginkgo.no-color $(if $(filter smoke,$(MATRIX)),-ginkgo.label-filter=matrix) \
	    "-ginkgo.junit-report=$(CURDIR)/reports/interop-$$kernel.xml" >"reports/interop-$$kernel.log" 2>&1 & \
	  runs[$$kernel]=$$!; \
	done; \
	for kernel in $(KERNELS); do \
	  wait "$${runs[$$kernel]}" || status=1; \
	  sed -n '/^Pollux and the DRBD of Linux/,/^---/p; /^Summarizing/,/^Ran /p; /^FAIL[^!]/p' "reports/interop-$$kernel.log"; \
	done; exit $$status

# The digests of authkeys that a real Heartbeat is met with; each has a pair of its own.
DIGESTS ?= $(if $(filter smoke,$(MATRIX)),crc,crc md5 sha1)

.PHONY: interop-heartbeat
interop-heartbeat: deps-vm ## pollux and Heartbeat 3.0.6 with each of DIGESTS, as a table (root); as interop-drbd
	@# All digests at once: most of the time they wait.
	@mkdir -p reports; status=0; declare -A runs; \
	for digest in $(DIGESTS); do \
	  echo "Heartbeat, $$digest: reports/interop-$$digest.log"; \
	  POLLUX_E2E=1 POLLUX_DIGEST=$$digest POLLUX_MATRIX=$(MATRIX) go test -count=1 -timeout 1h ./e2e/heartbeatpeer \
	    -v -ginkgo.v -ginkgo.no-color "-ginkgo.junit-report=$(CURDIR)/reports/interop-$$digest.xml" \
	    >"reports/interop-$$digest.log" 2>&1 & \
	  runs[$$digest]=$$!; \
	done; \
	for digest in $(DIGESTS); do \
	  wait "$${runs[$$digest]}" || status=1; \
	  sed -n '/^Pollux and Heartbeat/,/^---/p; /^Summarizing/,/^Ran /p; /^FAIL[^!]/p; /SKIPPED/p' "reports/interop-$$digest.log"; \
	done; exit $$status

.PHONY: test
test: deps-test ## unit tests, import rules and the short simulations, with and without planted bugs
	go test ./...
	go test -tags planted ./sim/...

.PHONY: race
race: ## the same under the race detector (slow on two cores)
	go test -race ./...

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZFOR each
	grep -rno --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' daemon faults sim | while IFS=: read -r file _ name; do \
	  go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZFOR) "./$$(dirname "$$file")" </dev/null; done

.PHONY: sim
sim: ## simulate for two minutes: every named scenario, then seeds that nobody ran yet; SEED=n shows one
	@$(if $(SEED),go run ./sim/polluxsim run --seed $(SEED) --trace, \
	go run ./sim/polluxsim run all && go run ./sim/polluxsim sweep --for 100s --guide)

.PHONY: soak
soak: ## simulate for SOAKFOR, seeds that nobody ran yet, guided by what they reach
	go run ./sim/polluxsim sweep --for $(SOAKFOR) --guide

SAMESEEDS ?= 1..60

.PHONY: determinism
determinism: ## run SAMESEEDS in two processes that are scheduled differently: every run must be the same
	@sim=$$(mktemp); trap 'rm -f "$$sim"' EXIT; go build -o "$$sim" ./sim/polluxsim; \
	diff <(GOMAXPROCS=1 GOGC=25 "$$sim" sweep --hashes --keep-going --seeds $(SAMESEEDS)) \
	  <(GOMAXPROCS=4 GOGC=400 "$$sim" sweep --hashes --keep-going --seeds $(SAMESEEDS)) && echo "$(SAMESEEDS): the same, twice"

MUTANTFOR ?= 1m

.PHONY: mutants
mutants: ## plant each bug of the catalogue, and look for it for MUTANTFOR at most
	go run -tags planted ./sim/polluxsim mutants --for $(MUTANTFOR)

.PHONY: lint
lint: ## formatters, linters and dead code, no changes made
	@# Dead is what no program or test reaches, neither in a release build nor in one with planted bugs.
	@status=0; \
	$(LINT) run ./... || status=1; \
	$(LINT) run --build-tags planted ./daemon/core/planted/... ./sim/... || status=1; \
	release=$$($(DEAD) -test ./... | sort); planted=$$($(DEAD) -test -tags planted ./... | sort); \
	comm -12 <(echo "$$release") <(echo "$$planted") | grep . && status=1; \
	exit $$status

.PHONY: fmt
fmt: ## rewrite the code the way lint wants it
	go fix ./...
	$(LINT) fmt ./...

.PHONY: directives
directives: ## write what the code says of each directive into docs/DIRECTIVES.md; what each does is for people to write
	go test ./daemon -count=1 -run TestThePageOfDirectivesIsTrue -update

.PHONY: tidy
tidy: ## fail if go.mod is not tidy
	go mod tidy -diff
