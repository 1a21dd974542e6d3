#!/usr/bin/env bash
# How long a stranger waits for the first video: `make quickstart` in a fresh clone with nothing built.
#
#   e2e/bench/first-video.sh            crates are downloaded too, as for a stranger
#   e2e/bench/first-video.sh --offline  crates are taken from this machine: the build alone
#
# What is committed is measured. Packages of the system and the Rust toolchain are those of this machine; a
# stranger may wait for them as well. Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

root=$PWD
# Not below /tmp, which may be memory.
work=$(mktemp -d "$root/../first-video.XXXXXX")
trap 'rm -rf "$work"' EXIT

# rustup finds its toolchains by RUSTUP_HOME, and its proxies by PATH: an empty CARGO_HOME has neither crates nor
# settings of this machine.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
unset CARGO_TARGET_DIR
case ${1:-} in
--offline) export CARGO_NET_OFFLINE=true ;;
'') export CARGO_HOME=$work/cargo ;;
*)
	echo "it is e2e/bench/first-video.sh [--offline]" >&2
	exit 2
	;;
esac

git clone --quiet "$root" "$work/clone"
cd "$work/clone"
TIMEFORMAT='first video: %R s of wall, %U s user, %S s system'
time make quickstart
du -sh target | awk '{print "target: " $1}'
stat -c '%n: %s bytes' target/release/kubectl-transcode target/release/job-runner
