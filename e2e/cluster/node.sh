# shellcheck shell=bash disable=SC2154
# Nodes from outside. Sourced by cluster.sh.
#
# A node is a namespace of processes and of mounts with /run, /var/lib and /var/log of its own, so that
# all paths in it are the usual ones. Its first process is node-init.sh: when that is killed, the kernel
# kills containerd, kubelet, every shim and every pod at once, and the mounts go with them.

cni_folder() {
	local folder
	for folder in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
		if [ -x "$folder/bridge" ]; then
			echo "$folder"
			return
		fi
	done
	return 1
}

# The first process of a node: the one whose number inside is 1.
init_of() {
	local pid
	for pid in $(processes_of "node-$1"); do
		if awk '/^NSpid:/ && NF > 2 && $NF == 1 {found = 1} END {exit !found}' "/proc/$pid/status" 2>/dev/null; then
			echo "$pid"
			return
		fi
	done
	return 1
}
in_node() { nsenter --target "$(init_of "$1")" --mount --pid --net -- env "PATH=$bin:$PATH" "${@:2}"; }

begin_node() {
	local part=node-$1
	if ! is_running "$part"; then
		remove_cgroup "$(cgroup)/$part"
		make_cgroup "$(cgroup)/$part"
		in_network ip link set "$part" up
		mkdir -p "$state/$part"/{lib,log,etc/cni}
		write_containerd "$state/$part/etc" "$1"
		write_kubelet "$state/$part/etc" "$1"
		start "$part" unshare --mount --pid --fork --kill-child --mount-proc bash "$here/node-init.sh" "$1" "$state" "$(node_address "$1")"
	fi
	wait_for 30 "$part" in_node "$1" ctr version
	load_pause "$1"
}

# Ready by its own word: a node that just came back is still called Ready for what it was before.
wait_for_node() { wait_for 60 "node-$1" is_ready "$1"; }
is_ready() {
	local said
	said=$(kubectl get node "node-$1" -o jsonpath='{.status.nodeInfo.bootID} {.status.conditions[?(@.type=="Ready")].status}')
	[ "$said" = "$(in_node "$1" cat /proc/sys/kernel/random/boot_id) True" ]
}

# The bridge goes first: connections of pods end in silence, as they do when power is lost.
end_node() {
	in_network ip link set "node-$1" down
	kill_all KILL 20 processes_of "node-$1" || fail "node-$1" "node-$1 does not end"
}

# Without restrict_oom_score_adj, runc fails where even root may not lower a score.
write_containerd() {
	cat >"$1/containerd.toml" <<-END
		version = 3
		imports = []
		disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.image-verifier.v1.bindir']
		[plugins.'io.containerd.cri.v1.images'.pinned_images]
		sandbox = 'localhost/pause:1'
		[plugins.'io.containerd.cri.v1.runtime']
		restrict_oom_score_adj = true
		[plugins.'io.containerd.cri.v1.runtime'.cni]
		bin_dirs = ['$(cni_folder)']
		conf_dir = '$1/cni'
		[plugins.'io.containerd.internal.v1.opt']
		path = '/var/lib/containerd/opt'
	END
	# Addresses lie in /run: after a loss of power no pod has one.
	cat >"$1/cni/10-bridge.conflist" <<-END
		{
		  "cniVersion": "1.0.0",
		  "name": "node-$2",
		  "plugins": [{
		    "type": "bridge",
		    "bridge": "node-$2",
		    "isGateway": true,
		    "ipam": {
		      "type": "host-local",
		      "dataDir": "/run/cni",
		      "ranges": [[{"subnet": "$(pods).$2.0/24", "gateway": "$(node_address "$2")"}]],
		      "routes": [{"dst": "0.0.0.0/0"}]
		    }
		  }]
		}
	END
}

# Nothing is evicted and no image removed because the machine's disk is nearly full; a node that is
# lost is missed soon. There is no DNS: its address is nobody's, so lookups fail at once, but without
# an address kubelet would warn of every pod.
write_kubelet() {
	: >"$1/resolv.conf"
	cat >"$1/kubelet.yaml" <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: $(node_address "$2")
		healthzBindAddress: $(node_address "$2")
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		clusterDNS: [$(services).0.10]
		clusterDomain: cluster.local
		resolvConf: $1/resolv.conf
		tlsCertFile: $keys/node-$2.crt
		tlsPrivateKeyFile: $keys/node-$2.key
		authentication:
		  anonymous: {enabled: false}
		  webhook: {enabled: true}
		  x509: {clientCAFile: $keys/ca.crt}
		authorization: {mode: Webhook}
		cgroupDriver: cgroupfs
		cgroupRoot: /$(cgroup)/node-$2
		failCgroupV1: false
		failSwapOn: false
		makeIPTablesUtilChains: false
		volumePluginDir: /var/lib/kubelet/volume-plugins
		maxPods: 60
		nodeStatusUpdateFrequency: 2s
		nodeLeaseDurationSeconds: 8
		evictionHard:
		  memory.available: 50Mi
		  nodefs.available: 1Mi
		  nodefs.inodesFree: "100"
		  imagefs.available: 1Mi
		  imagefs.inodesFree: "100"
		imageGCHighThresholdPercent: 100
		containerLogMaxSize: 10Mi
		containerLogMaxFiles: 3
	END
}

# The image of the process that holds a pod's network: one static file. Written by hand as what
# `docker save` writes, which needs nothing but tar.
make_pause() {
	local folder=$state/pause layer
	[ ! -e "$folder/pause.tar" ] || return 0
	mkdir -p "$folder"
	cc -Os -static -o "$folder/pause" "$here/pause.c" 2>"$state/log/pause.log" || fail pause "pause.c does not compile"
	tar -C "$folder" --owner=0 --group=0 --mtime=@0 -cf "$folder/layer.tar" pause
	layer=$(sha256sum "$folder/layer.tar" | cut -d' ' -f1)
	printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"],"User":"65535:65535"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(image_architecture)" "$layer" >"$folder/config.json"
	printf '[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' >"$folder/manifest.json"
	tar -C "$folder" -cf "$folder/pause.tar.new" manifest.json config.json layer.tar
	mv "$folder/pause.tar.new" "$folder/pause.tar"
}

image_architecture() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac }

load_pause() {
	make_pause
	load "$1" "$state/pause/pause.tar"
}

# load NODE ARCHIVE. What was loaded is remembered: an archive that didn't change costs nothing.
load() {
	local seen stamp=$state/node-$1/loaded
	mkdir -p "$stamp"
	stamp=$stamp/$(printf '%s' "$2" | tr / _)
	seen=$(stat -c '%i %s %Y' "$2")
	[ "$(cat "$stamp" 2>/dev/null)" != "$seen" ] || return 0
	in_node "$1" ctr -n k8s.io images import - <"$2" >"$state/log/load-$1.log" 2>&1 || fail "load-$1" "node-$1 does not take $2"
	printf '%s\n' "$seen" >"$stamp"
}

load_images() {
	local archive node pids pid
	[ $# -gt 0 ] || die "say which archives"
	for archive in "$@"; do
		[ -f "$archive" ] || die "there is no file $archive"
		archive=$(realpath -- "$archive")
		pids=()
		load_all() {
			for node in "${nodes[@]}"; do
				if is_running "node-$node"; then
					load "$node" "$archive" &
					pids+=($!)
				fi
			done
			for pid in "${pids[@]}"; do wait "$pid" || exit 1; done
		}
		step "load ${archive##*/}" load_all
	done
}
