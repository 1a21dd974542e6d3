#!/usr/bin/env bash
# Installs pinned Go commands that the tests need, from the Go module proxy alone.
#
#   e2e/tools/install.sh NAME…          make the commands available; a warm run does nothing
#   e2e/tools/install.sh --path NAME…   only print where each command is; fails if one is missing
#
# A command in KUBEBUILDER_ASSETS or on PATH is used as it is. Otherwise it is built from its module
# e2e/tools/MODULE/go.mod into ${TRANSCODE_TOOLS_DIR:-~/.cache/transcode-operator/tools}/bin.
# The stamp next to it is a checksum of all that decides the build: a new version builds anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${TRANSCODE_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/tools}
bin=$tools/bin

new=
trap '[ -z "$new" ] || rm -rf "$new"' EXIT

say() { printf 'tools: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The folder with the go.mod of each command, its module and its package. A Go command's name is its
# folder's; etcd's is `server`.
package_of() {
	case $1 in
	versitygw) echo versitygw github.com/versity/versitygw github.com/versity/versitygw/cmd/versitygw ;;
	etcd) echo etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 ;;
	helm) echo helm helm.sh/helm/v4 helm.sh/helm/v4/cmd/helm ;;
	kwok) echo kwok sigs.k8s.io/kwok sigs.k8s.io/kwok/cmd/kwok ;;
	kstatus) echo kstatus github.com/fluxcd/cli-utils . ;;
	mediacheck) echo mediacheck github.com/Eyevinn/mp4ff . ;;
	runc) echo runc github.com/opencontainers/runc github.com/opencontainers/runc ;;
	containerd | containerd-shim-runc-v2 | ctr)
		echo containerd github.com/containerd/containerd/v2 "github.com/containerd/containerd/v2/cmd/$1" ;;
	kube-apiserver | kube-controller-manager | kube-proxy | kube-scheduler | kubectl | kubelet)
		echo kubernetes k8s.io/kubernetes "k8s.io/kubernetes/cmd/$1" ;;
	*) die "unknown tool \`$1\`; there are: $(sed -n 's/^\t\([a-z0-9 |-]*\)) *\(echo.*\)\?$/\1/p' "${BASH_SOURCE[0]}" | tr -d '|' | xargs)" ;;
	esac
}

# The version of a module in its go.mod.
version_of() { awk -v module="$2" '$1 == module {print $2; exit} $1 == "require" && $2 == module {print $3; exit}' "$here/$1/go.mod"; }

# Linker flags. Kubernetes takes its own version from the linker; without one it says v0.0.0.
ldflags_of() {
	local flags="-s -w"
	if [ "$1" = kubernetes ]; then
		local major minor
		IFS=. read -r major minor _ <<<"${2#v}"
		flags+=" -X k8s.io/component-base/version.gitVersion=$2"
		flags+=" -X k8s.io/component-base/version.gitMajor=$major -X k8s.io/component-base/version.gitMinor=$minor"
	fi
	echo "$flags"
}

# runc filters system calls with libseccomp, a C library.
cgo_of() { if [ "$1" = runc ]; then echo 1; else echo 0; fi; }

# Most have no Go files of their own.
stamp_of() { { cat "$here/$1"/*.go 2>/dev/null || true; grep -hv "^//" "$here/$1/go.mod" "$here/$1/go.sum" && declare -f ldflags_of cgo_of build; } | cksum | tr ' ' -; }

# A kubelet of today wants a containerd of today; distributions still have 1.x.
is_too_old() { case $1 in containerd | containerd-shim-runc-v2 | ctr) ! "$(dirname "$2")/containerd" --version 2>/dev/null | grep -q ' v\?2\.' ;; *) false ;; esac }

# Where the command is: KUBEBUILDER_ASSETS, PATH, then our own build of the pinned version.
where() {
	local found module
	read -r module _ <<<"$(package_of "$1")"
	if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$1" ]; then
		echo "$KUBEBUILDER_ASSETS/$1"
	elif found=$(command -v "$1" 2>/dev/null) && ! is_too_old "$1" "$found"; then
		echo "$found"
	elif [ -x "$bin/$1" ] && [ "$(cat "$bin/.$1.stamp" 2>/dev/null)" = "$(stamp_of "$module")" ]; then
		echo "$bin/$1"
	else
		return 1
	fi
}

# Fails early, with words, when Go is missing or older than the module wants.
check_go() {
	local wanted have
	command -v go >/dev/null || die "building $1 needs Go: install it from https://go.dev/dl, or put $1 on PATH"
	wanted=$(awk '$1 == "go" {print $2; exit}' "$here/$1/go.mod")
	have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
	if [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n1)" != "$wanted" ]; then
		die "building $1 needs Go $wanted or newer, this is $have: see https://go.dev/dl, or put $1 on PATH"
	fi
}

# Builds one command. What several commands of a module share is compiled once.
build() {
	local name=$1 folder module package version started=$SECONDS
	read -r folder module package <<<"$(package_of "$name")"
	version=$(version_of "$folder" "$module")
	check_go "$folder"
	mkdir -p "$bin"
	new=$(mktemp -d "$tools/.$name.XXXXXX")
	say "building $name $version (a minute or a few, once)"
	# The user's Go settings must not change what is built: no GOFLAGS, no workspace, no toolchain switch.
	(cd "$here/$folder" && env GOFLAGS= GOWORK=off GOTOOLCHAIN=local CGO_ENABLED="$(cgo_of "$folder")" GOOS= GOARCH= \
		nice -n 10 go build -mod=readonly -trimpath -buildvcs=false -tags seccomp -ldflags "$(ldflags_of "$folder" "$version")" -o "$new/$name" "$package") ||
		die "building $name $version failed, see above"
	mv -f "$new/$name" "$bin/$name"
	rmdir "$new"
	stamp_of "$folder" >"$bin/.$name.stamp"
	say "built $bin/$name in $((SECONDS - started)) s"
}

main() {
	local only_path=false name
	if [ "${1:-}" = --path ]; then
		only_path=true
		shift
	fi
	[ $# -gt 0 ] || die "say which: $(known)"
	for name in "$@"; do
		package_of "$name" >/dev/null
		if $only_path; then
			where "$name" || die "$name is missing: run e2e/tools/install.sh $name"
		elif where "$name" >/dev/null; then
			say "$name: $(where "$name")"
		else
			build "$name"
		fi
	done
}

main "$@"
