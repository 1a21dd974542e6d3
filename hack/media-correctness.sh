#!/usr/bin/env bash
# Runs the media tier on the oldest and the newest ffmpeg, and on that of the runner's image, and writes
# what it measured into docs/media-correctness.md.
#
#   hack/media-correctness.sh [SUITE…]   the ffmpegs of these Debian releases; bookworm trixie sid if none is named
#
# Needs root, for e2e/tools/ffmpeg.sh, and an hour or two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suites=("$@")
[ $# -gt 0 ] || suites=(bookworm trixie sid)
figures=$(mktemp -d)
trap 'rm -rf "$figures"' EXIT

failed=()
for suite in "${suites[@]}"; do
	bin=$(e2e/tools/ffmpeg.sh "$suite")
	printf '\n######## ffmpeg of %s\n' "$suite"
	PATH=$bin:$PATH TRANSCODE_FIGURES=$figures hack/test.sh media || failed+=("$suite")
done
cargo run --quiet --bin media_correctness -- "$figures" docs/media-correctness.md
if [ ${#failed[@]} -gt 0 ]; then
	echo "media-correctness: failed on the ffmpeg of ${failed[*]}, see above" >&2
	exit 1
fi
