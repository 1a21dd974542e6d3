#!/usr/bin/env bash
# Runs the test tiers, and says of each that did not run why.
#
#   hack/test.sh          every tier that this machine can run
#   hack/test.sh unit     one of them: unit, media, foreign, playback, apiserver, cluster
#   hack/test.sh long     what takes too long for every change; in no other run
#
#   unit       pure functions, golden files, whole jobs in memory with faults; storage on loopback
#   media      the runner and the local engine on real ffmpeg
#   foreign    what was published, in readers that others wrote: shaka-packager, GStreamer, MediaInfo and more
#   playback   what was published, in headless Chromium with hls.js, Shaka Player and dash.js
#   apiserver  the definitions on a real etcd and kube-apiserver
#   cluster    the operator on a real cluster, of our own or that of E2E_KUBECONFIG
#   long       sources of hours, proved as those of the media tier, and their memory
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tiers=(unit media foreign playback apiserver cluster)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rows=()
failed=0

has() { command -v "$1" >/dev/null 2>&1; }

# Why a tier can't run; nothing when it can.
obstacle() {
	case $1 in
	media | long)
		if ! has ffmpeg || ! has ffprobe; then
			echo "ffmpeg is missing: run hack/bootstrap.sh"
		elif ! has python3 || ! has pip; then
			echo "python3 or pip is missing: run hack/bootstrap.sh --tests"
		fi
		;;
	foreign)
		if ! has ffmpeg || ! has ffprobe; then
			echo "ffmpeg is missing: run hack/bootstrap.sh"
		elif ! has node || ! has npm || ! has python3 || ! has mediainfo || ! gst-inspect-1.0 --exists avdec_h264 2>/dev/null; then
			echo "node, npm, python3, mediainfo or GStreamer is missing: run hack/bootstrap.sh --tests"
		elif ! e2e/tools/install.sh --path mediacheck >/dev/null 2>&1; then
			echo "mediacheck is missing: run make tools"
		fi
		;;
	playback)
		if ! has ffmpeg || ! has ffprobe; then
			echo "ffmpeg is missing: run hack/bootstrap.sh"
		elif ! has node || ! has npm; then
			echo "node or npm is missing: run hack/bootstrap.sh --tests"
		elif ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
			echo "node $(node --version) is too old: install Node.js 20 or later"
		elif ! e2e/playback/run.sh --find-browser >/dev/null 2>&1; then
			echo "chromium is missing: run hack/bootstrap.sh --tests"
		fi
		;;
	apiserver)
		e2e/tools/install.sh --path etcd kube-apiserver >/dev/null 2>&1 || echo "etcd or kube-apiserver is missing: run make tools"
		;;
	cluster)
		if [ -n "${E2E_KUBECONFIG:-}" ]; then
			return
		elif [ "$(id -u)" != 0 ]; then
			echo "a cluster of our own needs root; E2E_KUBECONFIG names another"
		elif ! e2e/cluster/cluster.sh check >/dev/null 2>&1; then
			echo "something is missing for a cluster of our own: run hack/bootstrap.sh --cluster and make tools"
		fi
		;;
	esac
}

# What cargo tests in a tier. What is in no tier of its own is a unit test. Every tier selects the whole workspace:
# with `-p`, cargo would choose other features for shared dependencies and build nearly all of them again.
selection() {
	local path name
	echo --workspace
	case $1 in
	unit) for path in e2e/*/Cargo.toml; do printf -- '--exclude\n%s\n' "$(sed -n 's/^name = "\(.*\)"/\1/p' "$path" | head -n1)"; done ;;
	long) selection media | tail -n +2 ;;
	*)
		for path in e2e/"$1"/tests/*; do
			name=${path##*/}
			printf -- '--test\n%s\n' "${name%.rs}"
		done
		;;
	esac
}

run() {
	local tier=$1 why started=$SECONDS state=passed args
	why=$(obstacle "$tier")
	if [ -n "$why" ]; then
		printf '\n== %s: not run, %s\n' "$tier" "$why"
		rows+=("$(printf '%-10s not run     %s' "$tier" "$why")")
		return
	fi
	printf '\n== %s\n' "$tier"
	if [ "$tier" = playback ]; then
		args=(e2e/playback/run.sh)
	else
		mapfile -t args < <(selection "$tier")
		args=(cargo test --no-fail-fast "${args[@]}")
	fi
	if [ "$tier" = long ]; then
		args+=(-- --ignored)
	elif [ "$tier" = cluster ]; then
		# Each test waits most of its time.
		args=(e2e/cluster/with-operator.sh "${args[@]}" -- --test-threads 3)
	fi
	"${args[@]}" 2>&1 | tee -a "$log" || { state=FAILED; failed=1; }
	rows+=("$(printf '%-10s %-7s %4d s' "$tier" "$state" $((SECONDS - started)))")
}

# Tests by the closing lines of cargo, and of node, which has words of its own: count passed pass.
count() {
	{
		sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$log"
		sed -n "s/^ℹ $2 \([0-9]*\)$/\1/p" "$log"
	} | awk '{n += $1} END {print n + 0}'
}

# Tests on a real S3 server are part of unit and media; they are left out where there is none.
look_for_s3() {
	if [ "${TRANSCODE_SKIP_S3:-}" != 1 ] && ! e2e/tools/install.sh --path versitygw >/dev/null 2>&1; then
		export TRANSCODE_SKIP_S3=1
		rows+=("S3         not run     versitygw is missing: run make tools")
	fi
}

main() {
	look_for_s3
	[ $# -eq 0 ] || tiers=("$@")
	local tier
	for tier in "${tiers[@]}"; do run "$tier"; done
	printf '\n== tiers\n'
	printf '%s\n' "${rows[@]}"
	printf '\n%d passed, %d failed, %d skipped\n' "$(count passed pass)" "$(count failed fail)" "$(count ignored skipped)"
	exit "$failed"
}

main "$@"
