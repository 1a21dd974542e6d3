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
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

.PHONY: test-long
test-long: media-correctness ## Prove sources of hours, and the whole table of sources on every ffmpeg. Two hours; needs root.
	@hack/test.sh long

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
codegen: ## Write everything that is generated: crds/, the chart's CRDs, manifests/, docs/reference/.
	cargo xtask codegen
	@hack/manifests.sh
	@hack/cli-reference.sh

.PHONY: tools
tools: ## Install what tests need: Kubernetes, containerd, an S3 server, helm. Once; needs Go.
	@e2e/tools/install.sh etcd kube-apiserver versitygw kube-controller-manager kube-scheduler kubelet kube-proxy \
		kubectl containerd containerd-shim-runc-v2 ctr runc helm kstatus mediacheck

.PHONY: images
images: ## Build both images without Docker or a registry. Needs root.
	@hack/images.sh --profile image

.PHONY: cluster-up
cluster-up: ## Start a Kubernetes cluster of two nodes on this machine, with both images. Needs root.
	@hack/bootstrap.sh --cluster
	@e2e/cluster/cluster.sh up
	@e2e/cluster/cluster.sh images
	@e2e/cluster/cluster.sh next

.PHONY: cluster-down
cluster-down: ## End it; fails when anything is left.
	@e2e/cluster/cluster.sh down

.PHONY: e2e
e2e: ## Test the operator on a cluster of our own, or on that of E2E_KUBECONFIG.
	@hack/test.sh cluster

.PHONY: foreign
foreign: ## Have readers that others wrote look at what jobs publish: shaka-packager, GStreamer, MediaInfo and more.
	@hack/test.sh foreign

.PHONY: playback
playback: ## Play what a job publishes, in headless Chromium with hls.js, Shaka Player and dash.js.
	@hack/test.sh playback

.PHONY: media-correctness
media-correctness: ## Run the media tier on the oldest and the newest ffmpeg; writes docs/media-correctness.md. Needs root.
	@hack/media-correctness.sh

.PHONY: bench
bench: ## Compare with what one would do without it, five times. ARGS='--seconds 20 --runs 1' is quick; SOURCE takes yours.
	@e2e/bench/local/run.sh $(ARGS)

.PHONY: bench-hour
bench-hour: ## Measure how time and memory grow, up to a source of one hour.
	@e2e/bench/local/run.sh --hour $(ARGS)

.PHONY: bench-control-plane
bench-control-plane: ## Measure what thousands of jobs cost a control plane. ARGS='chain burst' takes scenarios; see --help.
	@e2e/bench/control-plane/scale.sh $(if $(ARGS),$(ARGS),chain idle finished arrivals kill)

.PHONY: bench-docs
bench-docs: ## Write the tables and plots of docs/performance.md from what bench and bench-hour measured.
	@e2e/bench/local/report.py $(ARGS)

.PHONY: clean
clean: ## Remove what was built and made: target/, out/.
	cargo clean
	rm -rf out
