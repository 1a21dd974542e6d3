# shellcheck shell=bash disable=SC2154
# etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy. Sourced by cluster.sh.
# Ports are the usual ones: the network is the cluster's own.

start_etcd() {
	! is_running etcd || return 0
	# What a test writes need not survive a power failure.
	start etcd "$bin/etcd" --name default --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
	wait_for 30 etcd in_network bash -c 'exec 3<>/dev/tcp/127.0.0.1/2379'
}

# Nodes are called by their address: there is no DNS that would know their names.
start_apiserver() {
	if ! is_running kube-apiserver; then
		# What the operator asks for, so that `cluster.sh denied` finds what its role lacks.
		cat >"$state/audit.yaml" <<-END
			apiVersion: audit.k8s.io/v1
			kind: Policy
			omitStages: [RequestReceived]
			rules:
			- {level: Metadata, userGroups: ["system:serviceaccounts:transcode-system"]}
			- {level: None}
		END
		start kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
			--advertise-address "$(cluster_address)" --secure-port 6443 --service-cluster-ip-range "$(services).0.0/16" \
			--cert-dir "$keys" --tls-cert-file "$keys/apiserver.crt" --tls-private-key-file "$keys/apiserver.key" --client-ca-file "$keys/ca.crt" \
			--token-auth-file "$keys/tokens.csv" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
			--audit-policy-file "$state/audit.yaml" --audit-log-path "$state/log/audit.log" \
			--service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file "$keys/service-accounts.pub" \
			--service-account-signing-key-file "$keys/service-accounts.key" \
			--kubelet-client-certificate "$keys/apiserver-kubelet-client.crt" --kubelet-client-key "$keys/apiserver-kubelet-client.key" \
			--kubelet-certificate-authority "$keys/ca.crt" --kubelet-preferred-address-types InternalIP
	fi
	wait_for 60 kube-apiserver kubectl get --raw /readyz
}

stop_apiserver() {
	kill_all TERM 20 processes_of kube-apiserver || kill_all KILL 10 processes_of kube-apiserver || fail kube-apiserver "kube-apiserver does not end"
}

# A lost node is NotReady after 12 to 14 s instead of 50.
start_controllers() {
	local common=(--leader-elect=false --bind-address 127.0.0.1)
	is_running kube-controller-manager || start kube-controller-manager "$bin/kube-controller-manager" "${common[@]}" \
		--kubeconfig "$keys/kube-controller-manager.kubeconfig" --use-service-account-credentials \
		--service-account-private-key-file "$keys/service-accounts.key" --root-ca-file "$keys/ca.crt" \
		--node-monitor-period 2s --node-monitor-grace-period 12s --flex-volume-plugin-dir "$state/none"
	is_running kube-scheduler || start kube-scheduler "$bin/kube-scheduler" "${common[@]}" --kubeconfig "$keys/kube-scheduler.kubeconfig"
	# Pods are refused until their namespace has its service account.
	wait_for 30 kube-controller-manager kubectl get serviceaccount default
}

# One for both nodes, which share a network. Everything that goes to a service is masqueraded: then a
# pod reaches a service that leads back to its own bridge, whatever the kernel's bridge filters are.
# Without maxPerCore: 0 it would set the machine's connection limit.
start_proxy() {
	if ! is_running kube-proxy; then
		cat >"$state/kube-proxy.yaml" <<-END
			apiVersion: kubeproxy.config.k8s.io/v1alpha1
			kind: KubeProxyConfiguration
			mode: nftables
			hostnameOverride: node-1
			clientConnection: {kubeconfig: $keys/kube-proxy.kubeconfig}
			clusterCIDR: $(pods).0.0/16
			nftables: {masqueradeAll: true, minSyncPeriod: 100ms}
			conntrack: {maxPerCore: 0}
			healthzBindAddress: 127.0.0.1:10256
			metricsBindAddress: 127.0.0.1:10249
		END
		start kube-proxy "$bin/kube-proxy" --config "$state/kube-proxy.yaml"
	fi
	wait_for 30 kube-proxy listens "$(services).0.1" 443
}
