# The ways into this repository. What takes more than a line lives in tools/ and deploy/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO_FLAGS := --locked --workspace
# With --examples, cargo picks the features of dependencies as it does for tests: both then share one build.
PROGRAMS := --bins --examples
# What is deployed, and measured: optimised for the load that pgo/ was recorded under. The profile knows functions by names
# in which the build profile and `--target` have a part; only x86_64 was recorded.
HOST = $(shell rustc --version --verbose | sed -n 's/^host: //p')
X86_64 := cfg(target_arch = \"x86_64\")
PGO = target."$(X86_64)".rustflags = ["-Cprofile-use=$(CURDIR)/pgo/countersign.profdata"]
DIST = --profile dist --target $(HOST) --config '$(PGO)'

.NOTPARALLEL:
.PHONY: help demo up down build release profile test ci fmt fmt-check lint doc bench compare soak fuzz accuracy install-tools openclaw

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Set everything up, send five requests through the whole chain, show what happened, stop
	@tools/check-machine.sh
	@python3 deploy/demo/demo.py

up: ## The same set-up, left running; prints what to try
	@tools/check-machine.sh
	@python3 deploy/demo/up.py

down: ## Stop what `make up` started
	@python3 deploy/demo/up.py --down

build: ## Build all programs, quickly
	cargo build $(CARGO_FLAGS) $(PROGRAMS)

release: ## Build all programs as they are deployed, into target/*/dist
	cargo build $(CARGO_FLAGS) $(PROGRAMS) $(DIST)

profile: ## Record anew what `make release` optimises for
	@tools/profile.sh

test: ## Set up what the tests need and run all of them (ARGS="-p warrant" for some)
	@tools/test.sh $(ARGS)

ci: fmt-check lint doc test ## Everything that a change must pass

fmt: ## Format the code
	cargo fmt --all

fmt-check:
	@tools/install-tools.sh rust-components
	cargo fmt --all --check

lint: ## Messages, contract, dependencies, clippy
	@tools/lint.sh

doc: ## Build the documentation; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps

bench: release ## Measure the overhead of governance and the speed of its parts (docs/benchmarks.md)
	cargo bench $(CARGO_FLAGS) $(DIST) --bench overhead
	cargo bench $(CARGO_FLAGS) $(DIST) --bench classify
	cargo bench $(CARGO_FLAGS) $(DIST) --bench serve
	cargo bench $(CARGO_FLAGS) $(DIST) --bench decide

compare: ## Drive builds of `make release` side by side (BUILDS=old=FOLDER,new=FOLDER ROUNDS=24)
	COMPARE=$(BUILDS) cargo bench $(CARGO_FLAGS) $(DIST) --bench overhead

soak: ## The long runs: property tests with 100 times the cases, crash tests with more kills
	@PROPTEST_CASES=25600 COUNTERSIGN_TEST_KILLS=$${COUNTERSIGN_TEST_KILLS:-100} NEXTEST_PROFILE=soak COUNTERSIGN_TEST_TIMEOUT=8h tools/test.sh $(ARGS)

fuzz: ## Fuzz the classifier and the policy loader, each for FUZZ_SECONDS (default 60)
	@tools/fuzz.sh

accuracy: ## How well the shipped policy classifies labelled requests (DATA="file.jsonl …", else its own cases)
	cargo build $(CARGO_FLAGS) $(PROGRAMS)
	@tools/accuracy.py $(DATA)

install-tools: ## Install the checkers that `make lint` uses
	@tools/install-tools.sh

openclaw: ## Install the OpenClaw Gateway, without starting it
	@deploy/openclaw/install.sh
