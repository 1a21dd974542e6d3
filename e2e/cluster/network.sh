# shellcheck shell=bash disable=SC2154
# The cluster's network: one namespace, a link to the machine, a bridge per node. Sourced by cluster.sh.
#
#   machine            cluster N's namespace
#   10.(160+N).0.1 ─── 10.(160+N).0.2   kube-apiserver :6443, S3 :9000
#                      10.(160+N).1.1   bridge node-1, with its pods 10.(160+N).1.x; kubelet :10250
#                      10.(160+N).2.1   bridge node-2, likewise
#                      10.(96+N).x.x    services, by kube-proxy
#
# The machine has routes to all of it; pods have none beyond the machine's end of the link.

# A claim is a link whose name is the number and whose target is the owner: made at once or not at all,
# and gone after a restart, as is everything that it stands for.
claims=/run/transcode-clusters
number() {
	local claim
	for claim in "$claims"/*; do
		if [ "$(readlink "$claim")" = "$state" ]; then
			echo "${claim##*/}"
			return
		fi
	done
	return 1
}
pods() { echo "10.$((160 + $(number)))"; }
services() { echo "10.$((96 + $(number)))"; }
host_address() { echo "$(pods).0.1"; }
cluster_address() { echo "$(pods).0.2"; }
node_address() { echo "$(pods).$1.1"; }
link() { echo "transcode-$(number)"; }
cgroup() { echo "transcode-$(number)"; }
network_file() { echo "/proc/$(processes_of network | head -n1)/ns/net"; }
in_network() { nsenter "--net=$(network_file)" -- "$@"; }

# Free for the machine's own network too.
is_free() {
	local net
	for net in "10.$((96 + $1)).0.0/16" "10.$((160 + $1)).0.0/16"; do
		[ -z "$(ip -4 route show table all root "$net" | grep -v '^default')" ] || return 1
		[ -z "$(ip -4 route show table all match "$net" | grep -v '^default')" ] || return 1
	done
}

claim_number() {
	local candidate
	mkdir -p "$claims"
	for candidate in {0..31}; do
		# Its owner was deleted by hand.
		if [ -L "$claims/$candidate" ] && [ ! -e "$claims/$candidate" ]; then rm -f "$claims/$candidate"; fi
		if is_free "$candidate" && ln -sT "$state" "$claims/$candidate" 2>/dev/null; then return; fi
	done
	die "all numbers are taken: 32 clusters run, or the machine has routes to 10.96.0.0/11 and 10.160.0.0/11; see $claims"
}

start_network() {
	! is_running network || return 0
	number >/dev/null || claim_number
	make_cgroup "$(cgroup)/system"
	start_holder
	local node
	ip link add "$(link)" type veth peer name eth0 netns "$(processes_of network | head -n1)"
	ip addr add "$(host_address)/30" dev "$(link)"
	ip link set "$(link)" up
	in_network sysctl -qw net.ipv4.ip_forward=1
	in_network ip link set lo up
	in_network ip addr add "$(cluster_address)/30" dev eth0
	in_network ip link set eth0 up
	for node in "${nodes[@]}"; do
		in_network ip link add "node-$node" type bridge
		in_network ip addr add "$(node_address "$node")/24" dev "node-$node"
		in_network ip link set "node-$node" up
	done
	ip route add "$(pods).0.0/16" via "$(cluster_address)"
	ip route add "$(services).0.0/16" via "$(cluster_address)"
}

# The namespace lives as long as a process in it; nothing is mounted for it.
start_holder() {
	(
		join_cgroup
		exec env "$owner" "TRANSCODE_CLUSTER_PART=$state/network" setsid unshare --net sleep infinity </dev/null >"$state/log/network.log" 2>&1 9>&-
	) &
	local holder=$! began=$SECONDS
	wait_until_named "$holder" network
	until [ "$(cat "/proc/$holder/comm" 2>/dev/null)" = sleep ]; do
		[ $((SECONDS - began)) -lt 10 ] || fail network "no network namespace could be made"
		sleep 0.02
	done
}
