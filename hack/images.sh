#!/usr/bin/env bash
# Builds the images that images/*.Dockerfile describe, without Docker and without a registry: the last
# stage of each Dockerfile by buildah, from a Debian base by mmdebstrap and binaries by cargo.
#
#   hack/images.sh [OPTION…] [runner|operator]…    both if none is named
#
#   --profile dev|image     cargo's profile; dev if not given
#   --binaries DIR          take DIR/job-runner and DIR/transcode-operator as they are
#   --tag TAG               dev if not given
#   --list                  build nothing, print where the archives are
#
# Writes OCI archives of localhost/transcode-operator/{runner,operator}:TAG to
# ${XDG_CACHE_HOME:-~/.cache}/transcode-operator/images, where everything else is kept too: what is up
# to date is not made again. Needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/images
suite=trixie
packages=ffmpeg,ca-certificates
profile=dev binaries='' tag=dev list=false images=()

new=
trap '[ -z "$new" ] || rm -rf "$new"' EXIT

say() { printf 'images: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Its own store and settings: nothing of the machine's is seen or touched. Nothing is run in a build.
buildah() { BUILDAH_ISOLATION=chroot CONTAINERS_CONF=$cache/containers.conf command buildah --root "$cache/store" --runroot "$cache/run" --storage-driver vfs "$@"; }

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--profile) profile=${2:?--profile wants dev or image} && shift ;;
		--binaries) binaries=$(realpath -- "${2:?--binaries wants a folder}") && shift ;;
		--tag) tag=${2:?--tag wants a tag} && shift ;;
		--list) list=true ;;
		runner | operator) images+=("$1") ;;
		*) die "unknown: $1; it is hack/images.sh [--profile dev|image] [--binaries DIR] [--tag TAG] [--list] [runner|operator]…" ;;
		esac
		shift
	done
	[ ${#images[@]} -gt 0 ] || images=(runner operator)
}

archive() { echo "$cache/$1-$tag.tar"; }
program() { if [ "$1" = runner ]; then echo job-runner; else echo transcode-operator; fi; }

# Waits for another run, which may be making the very same.
lock() {
	mkdir -p "$cache"
	# Otherwise it makes /etc/cni.
	printf '[network]\nnetwork_config_dir = "%s/network"\n' "$cache" >"$cache/containers.conf"
	exec 9>"$cache/.lock"
	flock -n 9 || { say "waiting for another run of hack/images.sh"; flock 9; }
}

check_machine() {
	local command missing=()
	[ "$(id -u)" = 0 ] || die "this needs root: a Debian system is unpacked"
	for command in mmdebstrap buildah flock; do command -v "$command" >/dev/null || missing+=("$command"); done
	[ ${#missing[@]} -eq 0 ] || die "programs are missing: apt-get install ${missing[*]}"
}

# The folder that the first COPY of the runner takes. Its name has a checksum of all that decides it;
# what Debian changes meanwhile comes when the folder is deleted.
base() { echo "$cache/base-$({ printf '%s ' "$suite" "$packages" "$(uname -m)" && declare -f make_base && cat images/collect.sh; } | sha256sum | cut -c1-12)"; }

make_base() {
	local log=$cache/base.log
	[ ! -e "$(base)" ] || return 0
	say "making the base of the runner from Debian $suite (a minute, once)"
	rm -rf "$cache"/base-*
	new=$(mktemp -d "$cache/.base.XXXXXX")
	# The order is that of the Dockerfile: install, then collect.
	mmdebstrap --quiet --dpkgopt=force-unsafe-io --variant=minbase --include="$packages" \
		--customize-hook='copy-in images/collect.sh /' --customize-hook='chroot "$1" sh /collect.sh /image' \
		--customize-hook="cp -a \"\$1/image\" '$new/image'" "$suite" /dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "no base could be made, see $log"; }
	chmod 755 "$new"
	mv "$new" "$(base)"
	new=
}

target_dir() { cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

# Prints where the binary is. The operator has no libraries in its image, so it is linked with musl.
binary() {
	local name folder target
	name=$(program "$1")
	if [ -n "$binaries" ]; then
		echo "$binaries/$name"
		return
	fi
	folder=$(target_dir)
	if [ "$1" = operator ]; then
		target=$(uname -m)-unknown-linux-musl
		command -v musl-gcc >/dev/null || die "musl-gcc is missing: apt-get install musl-tools"
		rustup target list --installed | grep -qx "$target" || rustup target add "$target" >&2
		folder+=/$target
		cargo build -p "$name" --profile "$profile" --target "$target" >&2
	else
		# Tests take the build that they share with everything else.
		if [ "$profile" = dev ]; then set -- --workspace --bin "$name"; else set -- -p "$name"; fi
		cargo build "$@" --profile "$profile" >&2
	fi
	if [ "$profile" = dev ]; then folder+=/debug; else folder+=/$profile; fi
	echo "$folder/$name"
}

# A binary that doesn't start in its image is told here, not by a pod.
check_binary() {
	local loader
	[ -x "$2" ] || die "there is no binary $2"
	if [ "$1" = operator ]; then
		[[ $(ldd "$2" 2>&1) != *'=>'* ]] || die "$2 is not a static binary"
	else
		loader=$(compgen -G "$(base)/image/lib*/ld-linux*" | head -n1)
		"$loader" --library-path "$(echo "$(base)"/image/usr/lib/*-linux-gnu)" "$2" --version >/dev/null || die "$2 does not start on Debian $suite: was it built on a newer system?"
	fi
}

build() {
	local image=$1 began=$SECONDS name=localhost/transcode-operator/$1:$tag from stamp base=
	[ "$image" = operator ] || make_base
	from=$(binary "$image")
	check_binary "$image" "$from"
	[ "$image" = operator ] || base=$(base)
	stamp=$({ sha256sum <"$from" && cat "images/$image.Dockerfile" && echo "$base" && declare -f build; } | sha256sum)
	if [ -e "$(archive "$image")" ] && [ "$(cat "$(archive "$image").stamp" 2>/dev/null)" = "$stamp" ]; then
		say "$name is up to date"
	else
		new=$(mktemp -d "$cache/.new.XXXXXX")
		cp "$from" "$new/$(program "$image")"
		# Stages of the Dockerfile are replaced by these folders. Old images and layers go.
		buildah build --quiet --layers --pull-never --format oci -f "images/$image.Dockerfile" \
			${base:+--build-context "base=$base"} --build-context "build=$new" -t "$name" "$new" >/dev/null
		buildah push --quiet --compression-level 1 "$name" "oci-archive:$new/archive:$name"
		buildah rmi --prune >/dev/null
		mv "$new/archive" "$(archive "$image")"
		echo "$stamp" >"$(archive "$image").stamp"
		rm -rf "$new"
		new=
		say "$name built in $((SECONDS - began)) s"
	fi
	sizes "$image"
}

# Bytes of the archive and of its layers, as they are packed.
sizes() {
	local archive manifest
	archive=$(archive "$1")
	manifest=$(tar -xOf "$archive" index.json | grep -o 'sha256:[0-9a-f]*' | head -n1)
	printf '%s, %s; layers' "$archive" "$(stat -c %s "$archive" | human)"
	tar -xOf "$archive" "blobs/sha256/${manifest#sha256:}" | sed 's/.*"layers"://' | grep -o '"size":[0-9]*' | cut -d: -f2 | human | sed 's/^/ /' | paste -sd, | sed 's/$/ (packed)/'
}
human() { awk '{printf "%.1f MB\n", $1 / 1e6}'; }

main() {
	local image
	parse "$@"
	if $list; then
		for image in "${images[@]}"; do archive "$image"; done
		return
	fi
	check_machine
	lock
	for image in "${images[@]}"; do build "$image"; done
}

main "$@"
