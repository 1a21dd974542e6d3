#!/usr/bin/env bash
# shellcheck disable=SC2154
#
# A Kubernetes cluster of two nodes on this machine, from plain binaries: no Docker, no registry.
#
#   cluster.sh up                   start it, or start what is missing of it
#   cluster.sh down                 end it; fails when anything is left
#   cluster.sh status               what runs, and where its log is; fails when a part does not
#   cluster.sh env                  for a shell: eval "$(e2e/cluster/cluster.sh env)"
#   cluster.sh next                 how to go on: install the chart, run a job
#   cluster.sh check                fails when something is missing to start one
#   cluster.sh put FILE KEY         a file into the bucket
#   cluster.sh get PREFIX FOLDER    everything below a prefix of the bucket into a folder
#   cluster.sh images [ARGUMENT…]   build both images with hack/images.sh ARGUMENT…, then load them
#   cluster.sh load-image ARCHIVE…  load OCI archives on both nodes
#   cluster.sh kill-node N          node N loses its power
#   cluster.sh start-node N         and has it again
#   cluster.sh restart-apiserver    stop and start kube-apiserver, with the same data
#   cluster.sh denied               fails when RBAC refused the operator anything, and prints what
#
# TRANSCODE_CLUSTER names the cluster, `transcode` if unset; several may run at once. All it has on
# disk is in ${TRANSCODE_CLUSTER_DIR:-~/.cache/transcode-operator/clusters}/NAME.
#
# The parts share a network namespace of their own, so ports and packet filters touch nothing else.
# A node is a namespace of processes and mounts in it. The files:
#
#   lib.sh            words, steps, processes, cgroups
#   network.sh        the cluster's number and what follows from it: addresses, bridges
#   keys.sh           certificates, tokens, kubeconfigs
#   control-plane.sh  etcd, kube-apiserver and what talks to it
#   node.sh           containerd and kubelet from outside; node-init.sh is the first process inside
#   s3.sh             an S3 server and the Service in front of it
#   down.sh           the end of it all, and a look whether it was
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
name=${TRANSCODE_CLUSTER:-transcode}
clusters=${TRANSCODE_CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/transcode-operator/clusters}
state=$clusters/$name
bin=$state/bin
nodes=(1 2)

for file in lib network keys control-plane node s3 down; do
	# shellcheck source=/dev/null disable=SC2154
	. "$here/$file.sh"
done

binaries=(etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl containerd containerd-shim-runc-v2 ctr runc versitygw helm)

# One folder with a link to each binary, wherever it lies: PATH of the nodes, and of whoever wants it.
find_binaries() {
	local binary
	"$root/e2e/tools/install.sh" "${binaries[@]}" 2>"$state/log/tools.log" || fail tools "the binaries are not all there"
	mkdir -p "$bin"
	for binary in "${binaries[@]}"; do
		# The very file: on PATH this folder itself may be the first to have it.
		ln -sfn "$(realpath "$("$root/e2e/tools/install.sh" --path "$binary")")" "$bin/$binary"
	done
}

# The cluster is there as a whole, and was made since the machine started.
is_complete() { [ "$(cat "$state/complete" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; }

# Each step does nothing when its part runs. A cluster that was never complete is begun afresh, and so
# is one that lost its network.
up() {
	check_machine
	if { ! is_complete || ! is_running network; } && { [ -e "$state" ] || [ -n "$(own_processes)" ]; }; then
		step "remove what is left of an earlier start" remove
	fi
	mkdir -p "$state/log"
	chmod 700 "$state"
	step "binaries" find_binaries
	step "network" start_network
	step "keys" make_keys
	step "etcd" start_etcd
	step "kube-apiserver" start_apiserver
	step "controllers, scheduler" start_controllers
	step "S3 server" start_s3
	local node
	for node in "${nodes[@]}"; do step "node-$node: containerd" begin_node "$node"; done
	for node in "${nodes[@]}"; do step "node-$node: ready" wait_for_node "$node"; done
	step "kube-proxy" start_proxy
	step "services" publish_s3
	cat /proc/sys/kernel/random/boot_id >"$state/complete"
	say "cluster $name is up, after $SECONDS s"
	cat <<-END
		export KUBECONFIG=$kubeconfig
	END
}

# What a person does next; each line works as it is.
next() {
	need_running
	cat <<-END

		The cluster $name runs. An S3 server is at $(s3_endpoint), as pods and this machine see it, with the
		bucket $bucket; its credentials are in the Secret default/transcode-s3. Go on with

		  eval "\$(e2e/cluster/cluster.sh env)"       # KUBECONFIG, and kubectl and helm on PATH
		  helm install transcode charts/transcode-operator -n transcode-system --create-namespace --wait \\
		    --set operator.image.tag=dev,runner.image.tag=dev,allow.networks='{$(services).0.90:9000}'
		  examples/make-sample.sh out/sample.mp4 && e2e/cluster/cluster.sh put out/sample.mp4 raw/sample.mp4
		  kubectl apply -f examples/cluster/quickstart.yaml
		  kubectl get tj -w
		  e2e/cluster/cluster.sh get vod/quickstart out/quickstart && make play
	END
}

check() {
	check_machine
	"$root/e2e/tools/install.sh" --path "${binaries[@]}" >/dev/null
}

# The S3 server keeps buckets as folders.
put() {
	need_running
	[ $# = 2 ] || die "say which: cluster.sh put FILE KEY"
	install -D -m 644 "$1" "$state/s3/buckets/$bucket/$2"
}

get() {
	need_running
	[ $# = 2 ] || die "say which: cluster.sh get PREFIX FOLDER"
	[ -d "$state/s3/buckets/$bucket/$1" ] || die "there is nothing below $1 in the bucket $bucket"
	mkdir -p "$2"
	cp -r --no-preserve=mode "$state/s3/buckets/$bucket/$1/." "$2"
}

print_env() {
	need_running
	cat <<-END
		export KUBECONFIG=$kubeconfig
		export PATH=$bin:\$PATH
		export TRANSCODE_CLUSTER_S3=$(s3_endpoint)
		export TRANSCODE_CLUSTER_S3_CREDENTIALS=$state/s3/credentials
		export TRANSCODE_CLUSTER_HOST=$(host_address)
	END
}

status() {
	local part pids missing=0
	if [ ! -e "$state" ]; then
		say "cluster $name is not there"
		return 1
	fi
	for part in network etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy s3 "${nodes[@]/#/node-}"; do
		pids=$(processes_of "$part" | head -n1)
		[ -n "$pids" ] || missing=1
		printf '%-24s %-14s %s\n' "$part" "${pids:+running ($pids)}" "$(compgen -G "$state/log/$part*.log" | xargs)"
	done
	[ "$missing" = 1 ] || kubectl get nodes || missing=1
	return "$missing"
}

# Other commands need not wait while it compiles.
images() {
	local archives
	need_running
	"$root/hack/images.sh" "$@"
	mapfile -t archives < <("$root/hack/images.sh" --list "$@")
	lock
	need_running
	load_images "${archives[@]}"
}

load_image() {
	need_running
	load_images "$@"
}

kill_node() {
	need_node "$@"
	step "node-$1 loses its power" end_node "$1"
}

start_node() {
	need_node "$@"
	step "node-$1: containerd" begin_node "$1"
	step "node-$1: ready" wait_for_node "$1"
}

restart_apiserver() {
	need_running
	step "kube-apiserver stops" stop_apiserver
	step "kube-apiserver" start_apiserver
}

# Roles are the chart's. Whatever else refuses a request, such as a quota, decides after them.
denied() {
	need_running
	[ -s "$state/log/audit.log" ] || die "there is no audit log: start the cluster anew"
	! grep -h '"authorization.k8s.io/decision":"forbid"' "$state/log/audit.log" ||
		die "RBAC refused the operator the requests above: the chart's roles lack them"
}

main() {
	local command=${1:-}
	[ $# -eq 0 ] || shift
	check_name
	case $command in
	env) print_env ;;
	status | next | check | put | get | denied) "$command" "$@" ;;
	up | down | images | load-image | kill-node | start-node | restart-apiserver)
		[ "$(id -u)" = 0 ] || die "this needs root: namespaces, mounts and cgroups are made"
		[ "$command" = images ] || lock
		"${command//-/_}" "$@"
		;;
	*)
		sed -n '3,/^set/{/^set/d;s/^# \?//;p}' "${BASH_SOURCE[0]}" >&2
		exit 2
		;;
	esac
}

main "$@"
