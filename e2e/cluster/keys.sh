# shellcheck shell=bash disable=SC2154
# Certificates, tokens, kubeconfigs. Sourced by cluster.sh.

keys=$state/keys
kubeconfig=$state/kubeconfig
kubectl() { "$bin/kubectl" --kubeconfig "$kubeconfig" "$@"; }

# certificate FILE SUBJECT USAGE ALTERNATIVE-NAMES
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$keys/$1.key" -subj "$2" -out "$keys/$1.csr"
	printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s' "$3" "${4:+subjectAltName=$4}" >"$keys/$1.ext"
	openssl x509 -req -in "$keys/$1.csr" -CA "$keys/ca.crt" -CAkey "$keys/ca.key" -CAcreateserial -days 3650 -sha256 -extfile "$keys/$1.ext" -out "$keys/$1.crt"
}

# account USER GROUP FILE: a token and a kubeconfig with it.
account() {
	local token
	token=$(openssl rand -hex 24)
	printf '%s,%s,%s,"%s"\n' "$token" "$1" "$1" "$2" >>"$keys/tokens.csv"
	cat >"$3" <<-END
		apiVersion: v1
		kind: Config
		clusters:
		  - name: $name
		    cluster:
		      server: https://$(cluster_address):6443
		      certificate-authority-data: $(base64 -w0 "$keys/ca.crt")
		users:
		  - name: $1
		    user: {token: $token}
		contexts:
		  - name: $name
		    context: {cluster: $name, user: $1}
		current-context: $name
	END
}

make_keys() {
	[ ! -e "$keys/complete" ] || return 0
	mkdir -p "$keys"
	(umask 077 && write_keys) >"$state/log/keys.log" 2>&1 || fail keys "no certificates could be made"
	touch "$keys/complete"
}

write_keys() {
	local node
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$keys/ca.key" -out "$keys/ca.crt" -days 3650 \
		-subj "/CN=$name" -addext keyUsage=critical,keyCertSign,cRLSign
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$keys/service-accounts.key"
	openssl pkey -in "$keys/service-accounts.key" -pubout -out "$keys/service-accounts.pub"
	certificate apiserver /CN=kube-apiserver serverAuth \
		"IP:$(cluster_address),IP:127.0.0.1,IP:$(services).0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
	certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth ""
	account admin system:masters "$kubeconfig"
	account system:kube-controller-manager "" "$keys/kube-controller-manager.kubeconfig"
	account system:kube-scheduler "" "$keys/kube-scheduler.kubeconfig"
	account system:kube-proxy "" "$keys/kube-proxy.kubeconfig"
	for node in "${nodes[@]}"; do
		account "system:node:node-$node" system:nodes "$keys/node-$node.kubeconfig"
		certificate "node-$node" "/O=system:nodes/CN=system:node:node-$node" serverAuth "IP:$(node_address "$node"),DNS:node-$node"
	done
}
