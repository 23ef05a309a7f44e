# Everything CI does is a target here; `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash -euo pipefail

SEED    ?=
SEEDS   ?= 1000
FUZZFOR ?= 30s

# Tools run from the module cache at these versions; nothing is installed.
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
DEAD := go run golang.org/x/tools/cmd/deadcode@v0.52.0

# What the tests call to compare with tools that are not ours, by Debian
# package. A test whose tool is missing says so and is skipped.
TESTDEPS := drbd-utils e2fsprogs fuse3 libnbd-bin qemu-utils

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

.PHONY: deps-test
deps-test: ## install what the tests compare with (root on Debian), or say what is missing
	@missing=(); \
	for package in $(TESTDEPS); do \
	  [[ $$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null) == installed ]] || missing+=("$$package"); \
	done; \
	if (( $${#missing[@]} == 0 )); then exit; fi; \
	if (( EUID != 0 )) || ! command -v apt-get >/dev/null; then \
	  echo "Some tests will be skipped. To run them: apt-get install $${missing[*]}"; exit; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null >/dev/null

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
sim: ## simulate SEEDS seeds that nobody ran yet; SEED=n replays one
	@from=$$(date +%s)000; \
	go run ./sim/polluxsim $(if $(SEED),--seed $(SEED),--seeds $$from..$$((from + $(SEEDS) - 1)))

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

.PHONY: tidy
tidy: ## fail if go.mod is not tidy
	go mod tidy -diff
