# What a person would guess; `make help` lists it. The work is in hack/ and in cargo.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# A file to transcode instead of the sample. Taken as it is: blanks, quotes and dollars are fine.
override SOURCE := $(value SOURCE)
export SOURCE
# Where `make play` serves.
PORT ?= 8000

.PHONY: help
help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: quickstart
quickstart: ## Install what is missing, build, make a clip, transcode it. SOURCE=/path/to/clip takes yours.
	@hack/quickstart.sh

.PHONY: play
play: ## Serve out/ with a player at http://127.0.0.1:8000/. PORT=9000 takes another port.
	@python3 hack/serve.py --port $(PORT) out

.PHONY: build
build: ## Build the release binaries.
	cargo build --release -p kubectl-transcode -p job-runner

.PHONY: test
test: ## Run every tier that this machine can run, and say which it can't and why.
	@hack/test.sh

.PHONY: check
check: ## The quick loop: lint, generated files, docs, unit tests and walks; no media, no servers.
	@hack/lint.sh
	cargo xtask codegen --check
	@hack/check-docs.sh
	@hack/test.sh unit

.PHONY: lint
lint: ## rustfmt, clippy, cargo deny (when it is installed), shell scripts.
	@hack/lint.sh

.PHONY: fmt
fmt: ## Format the code.
	cargo fmt --all

.PHONY: codegen
codegen: ## Write everything that is generated: crds/, docs/reference/api.md, docs/reference/cli.md.
	cargo xtask codegen
	@hack/cli-reference.sh

.PHONY: tools
tools: ## Install the servers that tests need: etcd, kube-apiserver, versitygw. Once; needs Go.
	@e2e/tools/install.sh etcd kube-apiserver versitygw

.PHONY: bench
bench: ## Compare with one ffmpeg that makes the same ladder. SOURCE=/path/to/clip takes yours.
	@e2e/bench/local/run.sh

.PHONY: clean
clean: ## Remove what was built and made: target/, out/.
	cargo clean
	rm -rf out
