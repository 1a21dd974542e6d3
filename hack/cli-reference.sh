#!/usr/bin/env bash
# Writes docs/reference/cli.md from the program's own --help. With --check it writes nothing and
# fails when the file differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

page=docs/reference/cli.md
bin=${TRANSCODE_CLI:-}
if [ -z "$bin" ]; then
	cargo build --quiet --workspace --bin kubectl-transcode
	bin=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/kubectl-transcode
fi

# The width and the environment of this terminal must not show.
help() { env -u TRANSCODE_RUNNER COLUMNS=100 "$bin" "$@" --help </dev/null 2>/dev/null | sed 's/[[:space:]]*$//'; }

write() {
	cat <<-'END'
		# kubectl-transcode

		<!-- Written by `make codegen` from the program's --help. Don't edit. -->

		Installed on `PATH`, kubectl finds it as `kubectl transcode`.

	END
	printf '```text\n%s\n```\n' "$(help)"
	local command
	for command in $("$bin" --help </dev/null 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p'); do
		[ "$command" != help ] || continue
		printf '\n## %s\n\n```text\n%s\n```\n' "$command" "$(help "$command")"
	done
}

if [ "${1:-}" = --check ]; then
	if ! diff -u "$page" <(write); then
		echo "$page is not up to date: run \`make codegen\` and commit the result" >&2
		exit 1
	fi
else
	write >"$page.new"
	mv "$page.new" "$page"
	echo "wrote   $page"
fi
