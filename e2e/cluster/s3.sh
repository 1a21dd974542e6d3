# shellcheck shell=bash disable=SC2154
# An S3 server over a folder, and the Service that pods and the machine reach it by. Sourced by cluster.sh.

bucket=media
s3_endpoint() { echo "http://$(services).0.90:9000"; }

start_s3() {
	if ! is_running s3; then
		# A folder is a bucket; checksums and the like are kept beside, so any file system will do.
		mkdir -p "$state/s3"/{buckets/"$bucket",meta}
		[ -e "$state/s3/credentials" ] || write_credentials
		local AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
		. "$state/s3/credentials"
		# By its environment: a command line is seen by everyone.
		ROOT_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY \
			start s3 "$bin/versitygw" --port :9000 --region us-east-1 --keep-alive --quiet posix --sidecar "$state/s3/meta" "$state/s3/buckets"
	fi
	wait_for 20 s3 listens "$(cluster_address)" 9000
}

write_credentials() {
	(
		umask 077
		printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(openssl rand -hex 10)" "$(openssl rand -hex 20)" >"$state/s3/credentials.new"
	)
	mv "$state/s3/credentials.new" "$state/s3/credentials"
}

publish_s3() {
	local AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	. "$state/s3/credentials"
	kubectl apply -f - >"$state/log/services.log" 2>&1 <<-END || fail services "the objects for S3 were not taken"
		apiVersion: v1
		kind: Namespace
		metadata: {name: s3}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: s3, namespace: s3}
		spec:
		  clusterIP: $(services).0.90
		  ports: [{port: 9000}]
		---
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: s3, namespace: s3, labels: {kubernetes.io/service-name: s3}}
		addressType: IPv4
		ports: [{name: "", port: 9000}]
		endpoints: [{addresses: [$(cluster_address)]}]
		---
		apiVersion: v1
		kind: Secret
		metadata: {name: transcode-s3, namespace: default}
		stringData:
		  accessKeyId: $AWS_ACCESS_KEY_ID
		  secretAccessKey: $AWS_SECRET_ACCESS_KEY
	END
	wait_for 20 kube-proxy listens "$(services).0.90" 9000
}
