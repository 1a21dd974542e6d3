#!/usr/bin/env bash
# Runs a command on a cluster that has the operator installed, as a user installs it: by the chart, into
# a namespace that enforces Pod Security `restricted`.
#
#   e2e/cluster/with-operator.sh COMMAND…
#
# The cluster is one of our own, of the name TRANSCODE_CLUSTER (e2e if unset), and goes afterwards; with
# E2E_KEEP=1 it stays. With E2E_KUBECONFIG the command runs on that cluster, on which nothing is
# installed and nothing removed; see e2e/cluster/src/site.rs for the variables that it then needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export TRANSCODE_CLUSTER=${TRANSCODE_CLUSTER:-e2e}
namespace=transcode-system

cluster() { e2e/cluster/cluster.sh "$@"; }
tool() { "$(e2e/tools/install.sh --path "$1")" "${@:2}"; }

# The bytes of an archive, not its tag, say whether pods have to be made anew.
install_operator() {
	tool kubectl create namespace $namespace --dry-run=client -o yaml | tool kubectl apply -f - >/dev/null
	tool kubectl label --overwrite namespace $namespace pod-security.kubernetes.io/enforce=restricted >/dev/null
	# One job's thumbnail fails whatever it does: `soft-failure`. Nodes are given up sooner than by default.
	tool helm upgrade --install transcode charts/transcode-operator --namespace $namespace --wait --timeout 3m \
		--set operator.image.tag=dev,operator.image.pullPolicy=Never,runner.image.tag=dev,runner.image.pullPolicy=Never \
		--set "allow.networks={10.0.0.0/8:*},allow.secrets={*},runner.lostNodeSeconds=10" \
		--set-string runner.env.TRANSCODE_FAULTS='soft-failure/thumbnail/*/*=fail' \
		--set-string operator.podAnnotations.images="$(hack/images.sh --list | xargs cksum | cksum | cut -d' ' -f1)" >/dev/null
	tool helm test transcode --namespace $namespace >/dev/null
}

if [ -z "${E2E_KUBECONFIG:-}" ]; then
	[ "${E2E_KEEP:-}" = 1 ] || trap 'cluster down' EXIT
	e2e/tools/install.sh helm kstatus
	cluster up
	cluster images
	eval "$(cluster env)"
	# People start it again in a shell that has its environment.
	cluster up >/dev/null
	install_operator
	export E2E_KUBECONFIG=$KUBECONFIG E2E_S3_BUCKET=media E2E_CLUSTER=$PWD/e2e/cluster/cluster.sh
	export E2E_S3_ENDPOINT=$TRANSCODE_CLUSTER_S3 E2E_S3_CREDENTIALS=$TRANSCODE_CLUSTER_S3_CREDENTIALS
	export E2E_HOST=$TRANSCODE_CLUSTER_HOST
	E2E_KSTATUS=$(e2e/tools/install.sh --path kstatus)
	export E2E_KSTATUS
	"$@"
	cluster denied
else
	"$@"
fi
