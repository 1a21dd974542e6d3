#!/usr/bin/env bash
# The first process of a node, in namespaces of its own for processes and mounts: node.sh starts it.
# It makes the node's file system, runs containerd and kubelet, and ends when one of them does.
set -euo pipefail

number=$1 state=$2 address=$3
node=node-$number
etc=$state/$node/etc

# Volumes that kubelet mounts have to be seen by containerd and by pods.
mount --no-mtab --make-rshared /
mount --no-mtab -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns /run/shadow
mount --bind "$state/$node/lib" /var/lib
mount --bind "$state/$node/log" /var/log

# kubelet sets these for the whole machine, or doesn't start. It gets files instead.
shadow() {
	printf '%s\n' "$2" >"/run/shadow/${1//\//-}"
	mount --bind "/run/shadow/${1//\//-}" "/proc/sys/$1"
}
shadow vm/overcommit_memory 1
shadow vm/panic_on_oom 0
shadow kernel/panic 10
shadow kernel/panic_on_oops 1
shadow kernel/keys/root_maxkeys 1000000
shadow kernel/keys/root_maxbytes 25000000
# A node that comes back after a loss of power is seen to have rebooted.
shadow kernel/random/boot_id "$(cat /proc/sys/kernel/random/uuid)"

containerd --config "$etc/containerd.toml" >>"$state/log/$node-containerd.log" 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do
	[ -n "$(jobs -r)" ] || { echo "containerd ended, see $state/log/$node-containerd.log" >&2; exit 1; }
	sleep 0.05
done
kubelet --config "$etc/kubelet.yaml" --kubeconfig "$state/keys/$node.kubeconfig" \
	--hostname-override "$node" --node-ip "$address" >>"$state/log/$node-kubelet.log" 2>&1 &
wait -n || true
echo "containerd or kubelet ended, see $state/log/$node-containerd.log and $state/log/$node-kubelet.log" >&2
exit 1
