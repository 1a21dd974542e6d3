#!/usr/bin/env bash
# `make bench`: builds the release binaries, makes a clip (or takes SOURCE), and compares.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

hack/bootstrap.sh
cargo build --release -p kubectl-transcode -p job-runner
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
if [ -z "${SOURCE:-}" ]; then
	SOURCE=out/bench-120s.mp4
	examples/make-sample.sh "$SOURCE" 120
fi
exec python3 e2e/bench/local/compare.py --bin "$target/release" "$SOURCE" "$@"
