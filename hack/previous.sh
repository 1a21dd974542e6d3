#!/usr/bin/env bash
# Builds the images of the last released state, with the tag `previous`, for tests of upgrades and rollbacks.
#
#   hack/previous.sh
#
# Prints the folder of its source, in which its chart lies. Both are in
# ${XDG_CACHE_HOME:-~/.cache}/transcode-operator/previous; what is there is not made again. Needs root, and the history
# of this repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The newest commit whose jobs an operator of today has to finish. Move it with every release.
commit=11a3892aa37c418a12028fdd398770a62e334616
cache=${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/previous
source=$cache/$commit

say() { printf 'previous: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

target_dir() { cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

unpack() {
	[ ! -d "$source" ] || return 0
	git cat-file -e "$commit^{commit}" 2>/dev/null || die "this clone lacks commit $commit: fetch the whole history"
	rm -rf "$cache"
	mkdir -p "$source.new"
	git archive "$commit" | tar -x -C "$source.new"
	mv "$source.new" "$source"
}

# Dependencies that are built already are taken from here, as links.
borrow() {
	local from=$1 to=$2 part
	mkdir -p "$to"
	for part in deps build .fingerprint; do
		[ ! -d "$from/$part" ] || cp -al "$from/$part" "$to/"
	done
}

build() {
	local from
	[ ! -e "$source/.built" ] || return 0
	say "building the operator and the runner of $commit (minutes, once)"
	from=$(target_dir)
	rm -rf "$source/target"
	borrow "$from/debug" "$source/target/debug"
	borrow "$from/$(uname -m)-unknown-linux-musl/debug" "$source/target/$(uname -m)-unknown-linux-musl/debug"
	CARGO_TARGET_DIR=$source/target "$source/hack/images.sh" --tag previous >&2
	rm -rf "$source/target"
	touch "$source/.built"
}

unpack
build
echo "$source"
