#!/usr/bin/env bash
# What thousands of TranscodeJobs cost, on a real etcd, kube-apiserver, Job controller and scheduler, with nodes and
# Pods that only seem to run (kwok); see scale.py.
#
#   e2e/bench/control-plane/scale.sh [OPTION…] SCENARIO…    python3 scale.py --help lists them
#
# The parts listen on loopback and keep their data in a folder that goes afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

parts=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok)
e2e/tools/install.sh "${parts[@]}"
if [ -z "${OPERATOR:-}" ]; then
	cargo build --release --workspace --bin transcode-operator
	OPERATOR=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/transcode-operator
fi
for part in "${parts[@]}"; do
	declare -x "$(tr 'a-z-' 'A-Z_' <<<"$part")=$(e2e/tools/install.sh --path "$part")"
done
export OPERATOR
exec python3 e2e/bench/control-plane/scale.py "$@"
