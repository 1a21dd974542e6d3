#!/usr/bin/env bash
# Installs the ffmpeg of another Debian release and prints the folder to put on PATH:
#
#   PATH=$(e2e/tools/ffmpeg.sh forky):$PATH make test
#
#   e2e/tools/ffmpeg.sh SUITE          bookworm has 5.1, trixie 7.1, sid the newest
#   e2e/tools/ffmpeg.sh --path SUITE   only print where it is; fails if it is missing
#
# What is installed is what images/collect.sh takes of that release: on trixie, the very ffmpeg of the
# runner's image. It runs on its own libraries and loader, so that no chroot is needed and paths stay
# the same. It is kept in ${TRANSCODE_TOOLS_DIR:-~/.cache/transcode-operator/tools}/ffmpeg-SUITE; delete
# that to get what Debian has changed since. Needs root, mmdebstrap and a minute.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${TRANSCODE_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/tools}

new=
trap '[ -z "$new" ] || rm -rf "$new"' EXIT

say() { printf 'ffmpeg: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The system, reduced to ffmpeg and its libraries. Mirrors that lag behind are taken, signatures are
# checked all the same.
install() {
	local suite=$1 log=$tools/ffmpeg-$1.log
	[ "$(id -u)" = 0 ] || die "this needs root: a Debian system is unpacked"
	command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
	say "installing the ffmpeg of Debian $suite (a minute, once)"
	mkdir -p "$tools"
	new=$(mktemp -d "$tools/.ffmpeg.XXXXXX")
	mmdebstrap --quiet --dpkgopt=force-unsafe-io --aptopt='Acquire::Check-Valid-Until "false"' --variant=minbase --include=ffmpeg,ca-certificates \
		--customize-hook="copy-in '$here/../../images/collect.sh' /" --customize-hook='chroot "$1" sh /collect.sh /image' \
		--customize-hook="cp -a \"\$1/image\" '$new/image'" "$suite" /dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "it could not be installed, see $log"; }
	chmod 755 "$new"
	wrap "$new" "$tools/ffmpeg-$suite"
	mv "$new" "$tools/ffmpeg-$suite"
	new=
}

# Commands in FOLDER/bin, which will be at PLACE.
wrap() {
	local folder=$1 place=$2 loader libraries program
	loader=$(cd "$folder" && compgen -G "image/lib*/ld-linux*" | head -n1)
	libraries=$(cd "$folder" && find image/usr/lib -name '*.so*' -printf "$place/%h\n" | sort -u | paste -sd:)
	mkdir "$folder/bin"
	for program in ffmpeg ffprobe; do
		printf '#!/bin/sh\nexec "%s" --argv0 %s --library-path "%s" "%s" "$@"\n' \
			"$place/$loader" "$program" "$libraries" "$place/image/usr/bin/$program" >"$folder/bin/$program"
		chmod 755 "$folder/bin/$program"
	done
}

main() {
	local only_path=false
	if [ "${1:-}" = --path ]; then
		only_path=true
		shift
	fi
	[ $# = 1 ] || die "say which release: e2e/tools/ffmpeg.sh [--path] SUITE"
	if [ ! -x "$tools/ffmpeg-$1/bin/ffmpeg" ]; then
		! $only_path || die "it is missing: run e2e/tools/ffmpeg.sh $1"
		install "$1"
	fi
	echo "$tools/ffmpeg-$1/bin"
}

main "$@"
