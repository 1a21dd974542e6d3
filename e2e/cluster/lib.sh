# shellcheck shell=bash disable=SC2046,SC2154
# Words, steps, processes and cgroups. Sourced by cluster.sh.

say() { printf 'cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Ends with the last lines of a part's log.
fail() {
	local log=$state/log/$1.log
	say "$2; the end of $log:"
	tail -n 20 "$log" 2>/dev/null | cut -c1-400 | sed 's/^/  | /' >&2
	exit 1
}

# One line per step, with its seconds. A step that ends the script is named.
current=
trap '[ $? = 0 ] || [ -z "$current" ] || say "failed: $current; logs are in $state/log"' EXIT
step() {
	local title=$1 began=$EPOCHREALTIME
	shift
	current=$title
	"$@"
	current=
	printf 'cluster: %-44s %5.1f s\n' "$title" "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {print b - a}')" >&2
}

check_name() {
	[[ $name =~ ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$ ]] || die "TRANSCODE_CLUSTER=$name: small letters, digits and dashes, at most 32"
	case $state in
	# Nodes have these folders for themselves, so what is below is not seen there.
	/run/* | /var/run/* | /var/lib/* | /var/log/*) die "TRANSCODE_CLUSTER_DIR must not be below /run, /var/lib or /var/log: $clusters" ;;
	/*) ;;
	*) die "TRANSCODE_CLUSTER_DIR must be an absolute path: $clusters" ;;
	esac
	# It is written into YAML, TOML and lists of folders.
	[[ $state =~ ^[A-Za-z0-9/._@+-]+$ ]] || die "TRANSCODE_CLUSTER_DIR must have letters, digits and /._@+- alone: $clusters"
}

# Says all that is missing at once, by the names of Debian.
check_machine() {
	local pair missing=()
	for pair in ip:iproute2 nft:nftables openssl:openssl cc:gcc flock:util-linux unshare:util-linux nsenter:util-linux; do
		command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	cni_folder >/dev/null || missing+=(containernetworking-plugins)
	[ ${#missing[@]} -eq 0 ] || die "packages are missing: apt-get install ${missing[*]}"
}

# One command at a time for each cluster. Whoever waited for a lock that was removed meanwhile tries
# again. Nothing that we start may keep descriptor 9.
lock() {
	mkdir -p "$clusters"
	while :; do
		exec 9>"$clusters/.$name.lock"
		flock -n 9 || { say "waiting for another command on cluster $name"; flock 9; }
		[ ! /proc/self/fd/9 -ef "$clusters/.$name.lock" ] || return 0
	done
}

need_running() { is_complete || die "cluster $name is not up: run e2e/cluster/cluster.sh up"; }

need_node() {
	need_running
	[[ " ${nodes[*]} " = *" ${1:-} "* ]] || die "say which node: ${nodes[*]}"
}

# Waits until a command succeeds, as long as the part runs: wait_for SECONDS PART COMMAND…
wait_for() {
	local seconds=$1 part=$2 began=$SECONDS
	shift 2
	until "$@" >/dev/null 2>>"$state/log/wait.log"; do
		[ -n "$(processes_of "$part")" ] || fail "$part" "$part ended"
		[ $((SECONDS - began)) -lt "$seconds" ] || fail "$part" "$part was not ready after $seconds s"
		sleep 0.1
	done
}

# Whether something listens: listens ADDRESS PORT
listens() { timeout 1 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; }

# Processes are known by two variables that they were started with, never by a remembered number:
# numbers are given to others after a restart of the machine, and are lost when this script is killed.
# Pods don't have the variables; they end with their node, see node.sh.
owner=TRANSCODE_CLUSTER_OWNER=$state
processes_with() { grep -lszFx -- "$1" /proc/[0-9]*/environ | cut -d/ -f3 || true; }
own_processes() { processes_with "$owner"; }
processes_of() { processes_with "TRANSCODE_CLUSTER_PART=$state/$1"; }
is_running() { [ -n "$(processes_of "$1")" ]; }

# Starts a part in the background, in the cluster's network and cgroup: start PART COMMAND…
start() {
	local part=$1
	shift
	printf '\n---- %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$state/log/$part.log"
	# A subshell is not the leader of its group, so setsid keeps its number.
	(
		join_cgroup
		exec env "$owner" "TRANSCODE_CLUSTER_PART=$state/$part" "PATH=$bin:$PATH" \
			setsid nsenter "--net=$(network_file)" -- "$@" </dev/null >>"$state/log/$part.log" 2>&1 9>&-
	) &
	wait_until_named $! "$part"
}

# Until it was started by its own name, it isn't known as the part.
wait_until_named() {
	until [ ! -e "/proc/$1/environ" ] || grep -qszFx "TRANSCODE_CLUSTER_PART=$state/$2" "/proc/$1/environ"; do sleep 0.01; done
}

# Kills what a command lists until it lists nothing: kill_all SIGNAL SECONDS COMMAND…
kill_all() {
	local signal=$1 began=$SECONDS pids
	local seconds=$2
	shift 2
	while pids=$("$@") && [ -n "$pids" ]; do
		[ $((SECONDS - began)) -le "$seconds" ] || return 1
		# shellcheck disable=SC2086
		kill "-$signal" $pids 2>/dev/null || true
		sleep 0.05
	done
}

# The roots of all hierarchies: one with cgroup v2; one per controller, and perhaps a v2, with v1.
# Their names hold no blanks.
cgroup_roots() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo /sys/fs/cgroup
	else
		find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d
	fi
}

# Makes the cgroup in each hierarchy. cpuset (v1) wants to be told what its parent has; v2 wants
# controllers to be handed down.
make_cgroup() {
	local folder parent file
	for folder in $(cgroup_roots); do
		parent=$folder
		folder=$folder/$1
		mkdir -p "$folder"
		while [ "$parent" != "$folder" ]; do
			if [ -e "$parent/cgroup.subtree_control" ]; then
				for file in $(cat "$parent/cgroup.controllers"); do
					echo "+$file" 2>/dev/null >"$parent/cgroup.subtree_control" || true
				done
			fi
			local rest=${folder#"$parent"/}
			parent=$parent/${rest%%/*}
			for file in cpuset.cpus cpuset.mems; do
				[ ! -e "$parent/$file" ] || [ -e "$parent/cgroup.controllers" ] || cat "$parent/../$file" >"$parent/$file"
			done
		done
	done
}

# Moves this (sub)shell out of the caller's cgroup, whose limits and end are none of ours.
join_cgroup() {
	local folder
	for folder in $(cgroup_roots); do echo 0 >"$folder/$(cgroup)/system/cgroup.procs"; done
}

remove_cgroup() {
	local folder
	for folder in $(cgroup_roots); do
		[ ! -e "$folder/$1" ] || find "$folder/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
}
