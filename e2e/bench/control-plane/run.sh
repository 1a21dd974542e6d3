#!/usr/bin/env bash
# What the operator costs the control plane, beside bare Jobs that do the same; see measure.py.
#
#   e2e/bench/control-plane/run.sh [--jobs N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

export TRANSCODE_CLUSTER=${TRANSCODE_CLUSTER:-bench}
mkdir -p out
[ -s out/bench-source.mp4 ] || ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc2=size=320x180:rate=25:duration=10 \
	-f lavfi -i sine=frequency=440:duration=10 -c:v libx264 -preset ultrafast -g 50 -c:a aac out/bench-source.mp4
exec e2e/cluster/with-operator.sh bash -euc '
	e2e/cluster/cluster.sh put out/bench-source.mp4 bench/source.mp4
	exec python3 e2e/bench/control-plane/measure.py "$@"
' measure "$@"
