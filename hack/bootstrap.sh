#!/usr/bin/env bash
# Installs what is missing to build and run: ffmpeg, a C compiler, a font, Rust.
#
#   hack/bootstrap.sh           what `make quickstart` needs
#   hack/bootstrap.sh --tests   also what the tests need
#   hack/bootstrap.sh --bench   also what the benchmarks need
#   hack/bootstrap.sh --cluster also what a cluster of our own and its images need
#
# Nothing is installed when nothing is missing. On Debian and Ubuntu it uses apt-get, with sudo
# when you are not root, and prints each command before it runs. Elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
run() { say "\$ $*"; "$@"; }
has() { command -v "$1" >/dev/null 2>&1; }

oldest_ffmpeg=5.1

# Debian packages of what is missing.
missing_packages() {
	if ! has ffmpeg || ! has ffprobe; then echo ffmpeg; fi
	has cc || echo build-essential
	has curl || echo curl
	[ -n "$(find_font)" ] || echo fonts-dejavu-core
	if [ "${1:-}" = --tests ]; then
		has git || echo git
		has python3 || echo python3
		has pip || echo python3-pip
		has shellcheck || echo shellcheck
		has node || echo nodejs
		has npm || echo npm
		e2e/playback/run.sh --find-browser >/dev/null 2>&1 || echo chromium
		has mediainfo || echo mediainfo
		has gst-launch-1.0 || echo gstreamer1.0-tools
		local element
		for element in playbin3:plugins-base hlsdemux2:plugins-good h265parse:plugins-bad avdec_h264:libav; do
			gst-inspect-1.0 --exists "${element%:*}" 2>/dev/null || echo "gstreamer1.0-${element#*:}"
		done
		/usr/bin/python3 -c 'import gi; gi.require_version("Gst", "1.0")' 2>/dev/null || printf '%s\n' python3-gi gir1.2-gstreamer-1.0
	fi
	if [ "${1:-}" = --bench ]; then
		has python3 || echo python3
		[ -x /usr/bin/time ] || echo time
	fi
	if [ "${1:-}" = --cluster ]; then
		local pair
		for pair in ip:iproute2 nft:nftables iptables:iptables conntrack:conntrack openssl:openssl flock:util-linux \
			buildah:buildah mmdebstrap:mmdebstrap musl-gcc:musl-tools pkg-config:pkg-config; do
			has "${pair%:*}" || echo "${pair#*:}"
		done
		[ -d /usr/lib/cni ] || [ -d /opt/cni/bin ] || echo containernetworking-plugins
		# runc is built against it.
		[ -f /usr/include/seccomp.h ] || echo libseccomp-dev
	fi
}

find_font() { find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" -name DejaVuSans.ttf -print -quit 2>/dev/null || true; }

install_packages() {
	local sudo=()
	if ! has apt-get; then
		die "please install these first, by the names of your system: $* (ffmpeg $oldest_ffmpeg or later, with ffprobe)"
	fi
	if [ "$(id -u)" != 0 ]; then
		has sudo || die "please install these as root first: apt-get install $*"
		sudo=(sudo)
	fi
	say "missing: $*"
	run "${sudo[@]}" apt-get update -q
	run "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

check_ffmpeg() {
	local version encoders encoder
	version=$(ffmpeg -version | awk 'NR == 1 {print $3}')
	case $version in
	[0-9]* | n[0-9]*)
		[ "$(printf '%s\n%s\n' "$oldest_ffmpeg" "${version#n}" | sort -V | head -n1)" = "$oldest_ffmpeg" ] ||
			die "ffmpeg $version is too old; $oldest_ffmpeg or later is needed"
		;;
	esac
	encoders=$(ffmpeg -hide_banner -encoders 2>/dev/null)
	for encoder in libx264 aac; do
		grep -qw "$encoder" <<<"$encoders" || die "this ffmpeg has no encoder $encoder; install a complete build"
	done
	for encoder in libx265 libsvtav1 libopus; do
		grep -qw "$encoder" <<<"$encoders" || say "this ffmpeg has no encoder $encoder; jobs that ask for it will be refused"
	done
}

# rustup reads rust-toolchain.toml and fetches the pinned compiler by itself.
check_rust() {
	local wanted have
	wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
	if [ -x "$HOME/.cargo/bin/cargo" ] && ! has cargo; then
		die "cargo is in ~/.cargo/bin but not on PATH: run \`. ~/.cargo/env\` and try again"
	fi
	has cargo || die "Rust is missing: install rustup as https://rustup.rs says, then try again"
	if has rustup; then
		rustup toolchain list | grep -q "^$wanted" || run rustup toolchain install --profile minimal "$wanted"
		return
	fi
	have=$(cargo --version | awk '{print $2}')
	[ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n1)" = "$wanted" ] ||
		die "Rust $wanted or later is needed, this is $have: install rustup as https://rustup.rs says"
}

main() {
	local packages
	mapfile -t packages < <(missing_packages "$@")
	[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
	check_ffmpeg
	check_rust
}

main "$@"
