# shellcheck shell=bash disable=SC2046,SC2154
# The end of a cluster. Sourced by cluster.sh.

# Processes end, and with them their namespaces: mounts, bridges, pods' links, packet filters. The rest
# is removed by name. Works on whatever is there.
remove() {
	rm -f "$state/complete"
	kill_all KILL 30 own_processes || die "these processes do not end: $(own_processes | xargs)"
	if number >/dev/null; then
		ip link del "$(link)" 2>/dev/null || true
		remove_cgroups
		rm -f "$claims/$(number)"
		rmdir "$claims" 2>/dev/null || true
	fi
	! grep -qF " $state/" /proc/self/mountinfo || die "something is mounted below $state"
	rm -rf "$state"
}

# A killed process leaves its cgroup a moment later.
remove_cgroups() {
	local try
	for try in {1..100}; do
		remove_cgroup "$(cgroup)"
		[ -n "$(cgroups)" ] || return 0
		sleep "0.0$((try % 9 + 1))"
	done
}
cgroups() { find $(cgroup_roots) -maxdepth 1 -name "$(cgroup)"; }

# What is left, one a line; nothing when all is well.
remains() {
	local number=$1
	own_processes | sed 's/^/process /'
	grep -lsF " $state/" /proc/[0-9]*/mountinfo | sed 's/^/mount in /'
	[ ! -e "$state" ] || echo "folder $state"
	[ -n "$number" ] || return 0
	find $(cgroup_roots) -maxdepth 1 -name "transcode-$number" | sed 's/^/cgroup /'
	[ ! -e "/sys/class/net/transcode-$number" ] || echo "network link transcode-$number"
	ip -4 route show table all | grep -E "10\.($((96 + number))|$((160 + number)))\.0\.0/16" | sed 's/^/route /'
	[ ! -L "$claims/$number" ] || echo "claim $claims/$number"
}

down() {
	local number left
	number=$(number) || number=
	if [ ! -e "$state" ] && [ -z "$number" ] && [ -z "$(own_processes)" ]; then
		say "cluster $name is not there"
	else
		step "everything ends" remove
	fi
	left=$(remains "$number")
	if [ -n "$left" ]; then
		printf '%s\n' "$left" >&2
		die "these are left of cluster $name"
	fi
	rm -f "$clusters/.$name.lock"
	rmdir "$clusters" 2>/dev/null || true
	say "nothing is left of cluster $name"
}
