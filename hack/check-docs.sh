#!/usr/bin/env bash
# Checks what the documentation says: every YAML of examples/ and every ```yaml block with a `kind:`
# is valid, every link between pages leads somewhere, every path that a page names as `crates/…` is
# there, and docs/reference/cli.md and docs/performance.md say what they are generated from.
#
# TRANSCODE_CLI names a kubectl-transcode that is built already.
#
# A block that shows a mistake on purpose follows a line `<!-- invalid -->`; it has to be refused.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${TRANSCODE_CLI:-}
if [ -z "$bin" ]; then
	cargo build --quiet --workspace --bin kubectl-transcode
	bin=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/kubectl-transcode
fi
blocks=$(mktemp -d)
trap 'rm -rf "$blocks"' EXIT
checked=0 wrong=0

fail() {
	printf '%s\n' "$*" >&2
	wrong=$((wrong + 1))
}

# Pages that people write.
pages() { find . -maxdepth 1 -name '*.md' -print; find docs examples -name '*.md' -print; }

# Cuts a page into its YAML blocks: FOLDER/<line>.ok or FOLDER/<line>.bad.
cut_blocks() {
	awk -v folder="$2" '
		/^<!-- invalid -->$/ { bad = 1; next }
		/^```yaml$/ { name = folder "/" NR (bad ? ".bad" : ".ok"); inside = 1; bad = 0; next }
		/^```$/ { inside = 0; next }
		inside { print > name }
		/[^ ]/ { bad = 0 }
	' "$1"
}

check_yaml() {
	local file=$1 name=$2 expected=$3 said
	checked=$((checked + 1))
	if said=$("$bin" validate -f "$file" 2>&1); then
		[ "$expected" = ok ] || fail "$name: is valid, and should not be"
	elif [ "$expected" = ok ]; then
		fail "$name:"$'\n'"${said//$file/$name}"
	fi
}

check_links() {
	local page=$1 link path
	while IFS= read -r link; do
		path=${link%%#*}
		[ -z "$path" ] || [ -e "$(dirname "$page")/$path" ] || fail "$page: the link to $path leads nowhere"
	done < <(sed '/^```/,/^```/d' "$page" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//; s/ ".*//' | grep -vE '^(https?|mailto):' || true)
}

# Paths of the repository in backquotes, with {a,b} for several and <x> for any.
check_paths() {
	local page=$1 named path
	while IFS= read -r named; do
		named=${named//<*>/*}
		# Braces and stars, and nothing else that a shell would act on.
		case $named in *[!A-Za-z0-9_/.,{}*-]*) continue ;; esac
		while IFS= read -r path; do
			compgen -G "${path%/}" >/dev/null || fail "$page: there is no $path"
		done < <(eval "printf '%s\n' ${named//\*/\\*}")
	done < <(grep -oE '`(crates|cli|operator|charts|images|job-runner|xtask|hack|e2e|docs|examples)/[^` ]+`' "$page" | tr -d '`' || true)
}

for file in examples/*.yaml examples/*/*.yaml; do check_yaml "$file" "$file" ok; done
while IFS= read -r page; do
	folder=$blocks/$(printf '%s' "$page" | tr -c 'A-Za-z0-9' _)
	mkdir -p "$folder"
	cut_blocks "$page" "$folder"
	for block in "$folder"/*; do
		if [ -e "$block" ] && grep -q '^kind:' "$block"; then
			line=$(basename "$block")
			check_yaml "$block" "$page, the block at line ${line%.*}" "${line##*.}"
		fi
	done
	check_links "$page"
	check_paths "$page"
done < <(pages)
TRANSCODE_CLI=$bin hack/cli-reference.sh --check || wrong=$((wrong + 1))
e2e/bench/local/report.py --check || wrong=$((wrong + 1))

if [ "$wrong" != 0 ]; then
	echo "docs: $wrong of them are wrong" >&2
	exit 1
fi
echo "docs: $checked manifests are as they should be, and all links and paths lead somewhere"
