#!/usr/bin/env bash
# The main job in one command: install what is missing, build, make a clip, transcode it.
#
#   hack/quickstart.sh                       the sample clip
#   SOURCE=/path/to/clip hack/quickstart.sh  your file
#
# Everything goes to out/, which git ignores. A second run finds that there is nothing to do; after
# a stopped run it encodes only what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 2; }

# A YAML scalar that is exactly this text.
yaml() {
	case $1 in
	*[[:cntrl:]]*) die "the path holds a control character; rename the file" ;;
	esac
	printf "'%s'" "${1//\'/\'\'}"
}

# A job name (a DNS label) after a file's name: `My Clip.MOV` is `my-clip`.
job_name() {
	local name
	name=$(basename -- "$1")
	name=$(printf '%s' "${name%.*}" | LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C tr -c 'a-z0-9' - | tr -s -)
	name=${name#-}
	name=${name:0:40}
	name=${name%-}
	printf '%s' "${name:-clip}"
}

# The example with the user's file in it.
manifest_for() {
	local source=$1 name=$2 line
	while IFS= read -r line; do
		case $line in
		'  name: quickstart') line="  name: $name" ;;
		'    file: {path: out/sample.mp4}') line="    file: {path: $(yaml "$source")}" ;;
		'    file: {path: out/quickstart}') line="    file: {path: out/$name}" ;;
		'#'*) continue ;;
		esac
		printf '%s\n' "$line"
	done <examples/quickstart.yaml
}

target_dir() { cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

main() {
	local manifest=examples/quickstart.yaml name=quickstart bin started source
	if [ -n "${SOURCE:-}" ]; then
		# A shell leaves the ~ in SOURCE=~/clip.mov alone.
		# shellcheck disable=SC2088
		case $SOURCE in '~/'*) SOURCE=$HOME/${SOURCE#'~/'} ;; esac
		[ -f "$SOURCE" ] || die "there is no file $SOURCE"
		source=$(realpath -- "$SOURCE")
		name=$(job_name "$source")
		manifest=out/$name.yaml
		mkdir -p out
		manifest_for "$source" "$name" >"$manifest"
	fi

	hack/bootstrap.sh

	say "Building (about seven minutes on two cores the first time)"
	cargo build --release -p kubectl-transcode -p job-runner
	bin=$(target_dir)/release

	if [ -z "${SOURCE:-}" ]; then
		say "Making a sample clip"
		examples/make-sample.sh out/sample.mp4
	fi

	say "kubectl-transcode run -f $manifest"
	started=$SECONDS
	"$bin/kubectl-transcode" run -f "$manifest"

	say "Done in $((SECONDS - started)) s. Play it"
	cat >&2 <<-END
		  make play                           a player for your browser, http://127.0.0.1:8000/
		  ffplay out/$name/master.m3u8
		  files are below out/$name
	END
}

main
