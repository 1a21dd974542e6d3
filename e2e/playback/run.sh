#!/usr/bin/env bash
# Plays what the product publishes, in headless Chromium with the players that people use, and reads it with
# ffmpeg.
#
#   e2e/playback/run.sh [ARGUMENTS FOR node --test]
#
# Players come from npm, in the versions of package-lock.json, into a cache outside the checkout.
#
#   TRANSCODE_BIN_DIR   folder with kubectl-transcode and job-runner; built when it isn't set
#   PLAYBACK_BROWSER    Chromium or Chrome; looked for on PATH when it isn't set
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

die() { printf 'playback: %s\n' "$*" >&2; exit 1; }

find_browser() {
	local name
	if [ -n "${PLAYBACK_BROWSER:-}" ]; then
		echo "$PLAYBACK_BROWSER"
		return
	fi
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		if command -v "$name"; then return; fi
	done
	die "chromium is missing: run hack/bootstrap.sh --tests"
}

# A folder for each state of the lockfile: it is complete, or not there.
install_modules() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/playback
	modules=$cache/$(sha256sum package-lock.json | cut -c1-16)
	[ ! -d "$modules" ] || return 0
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/new.XXXXXX")
	cp package.json package-lock.json .npmrc "$work"
	npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund
	mv -T "$work" "$modules"
}

build() {
	local target
	cargo build --workspace --bin kubectl-transcode --bin job-runner
	target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
	export TRANSCODE_BIN_DIR=$target/debug
}

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# hack/ asks so whether there is one.
[ "${1:-}" != --find-browser ] || { find_browser; exit; }
install_modules
[ -n "${TRANSCODE_BIN_DIR:-}" ] || build
work=$(mktemp -d "${TMPDIR:-/tmp}/playback.XXXXXX")
PLAYBACK_BROWSER=$(find_browser)
export PLAYBACK_MODULES=$modules PLAYBACK_WORK=$work PLAYBACK_BROWSER

node lib/make.mjs
# One file at a time: what is measured needs the machine for itself.
[ $# -gt 0 ] || set -- tests/*.test.mjs
node --test --test-concurrency=1 --test-reporter=spec "$@"
