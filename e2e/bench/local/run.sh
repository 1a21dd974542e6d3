#!/usr/bin/env bash
# Measures the local engine: builds the release binaries, makes a clip, and compares or scales.
#
#   run.sh [--seconds N] [--runs N] [--workers N] [--crf N] [--preset P] [--json FILE]
#                                     with what one would do without it; two minutes, five runs, unless told otherwise
#   run.sh --hour [--minutes N …] [--json FILE]
#                                     with itself, on sources of up to an hour
#
# SOURCE names a clip to take instead of the sample. BIN names a folder of release binaries; nothing is built then.
# CARGO_PROFILE_RELEASE_STRIP=none builds binaries of which the profile names the functions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

what=compare seconds=120 words=()
while [ $# -gt 0 ]; do
	case $1 in
	--hour) what=hour ;;
	--seconds)
		seconds=${2:?--seconds needs a number}
		shift
		;;
	*) words+=("$1") ;;
	esac
	shift
done

hack/bootstrap.sh --bench
if [ -z "${BIN:-}" ]; then
	cargo build --release -p kubectl-transcode -p job-runner
	BIN=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
fi
if [ "$what" = hour ]; then
	clip=${SOURCE:-out/bench-60s-360p.mp4}
	if [ ! -s "$clip" ]; then
		examples/make-sample.sh out/bench-60s.mp4 60
		ffmpeg -hide_banner -loglevel error -nostdin -y -i out/bench-60s.mp4 -vf scale=-2:360 -c:v libx264 -preset superfast \
			-g 60 -c:a copy "$clip"
	fi
	exec python3 e2e/bench/local/scaling.py --bin "$BIN" --json out/bench/hour.json "$clip" "${words[@]}"
fi
clip=${SOURCE:-out/bench-${seconds}s.mp4}
[ -s "$clip" ] || examples/make-sample.sh "$clip" "$seconds"
exec python3 e2e/bench/local/compare.py --bin "$BIN" --json out/bench/compare.json "$clip" "${words[@]}"
