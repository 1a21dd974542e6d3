#!/usr/bin/env bash
# rustfmt, clippy, cargo deny and shellcheck. The last two run where they are installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n-- %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

say "rustfmt"
cargo fmt --all --check

say "clippy"
cargo clippy --workspace --all-targets -- -D warnings

say "cargo deny"
if has cargo-deny; then
	# Advisories come from a repository of their own, which has to be reachable.
	cargo deny --workspace check bans licenses sources
	if ! cargo deny --workspace check advisories; then
		[ "${TRANSCODE_ADVISORIES:-}" = required ] && exit 1
		echo "advisories: not checked, or something is known: see above (TRANSCODE_ADVISORIES=required makes it fail)" >&2
	fi
else
	echo "not run: install it with \`cargo install cargo-deny --locked\`" >&2
fi

say "shellcheck"
if has shellcheck; then
	shellcheck --severity=warning e2e/cluster/*.sh images/*.sh hack/*.sh examples/*.sh e2e/tools/*.sh e2e/bench/*/*.sh e2e/foreign/*.sh e2e/playback/*.sh .ci/run
else
	echo "not run: install shellcheck" >&2
fi
