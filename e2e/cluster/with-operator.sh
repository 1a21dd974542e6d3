#!/usr/bin/env bash
# Runs a command on a cluster that has the operator installed by install-operator.sh.
#
#   e2e/cluster/with-operator.sh COMMAND…
#
# The cluster is one of our own, of the name TRANSCODE_CLUSTER (e2e if unset), and goes afterwards; with
# E2E_KEEP=1 it stays. With E2E_KUBECONFIG the command runs on that cluster, on which nothing is
# installed and nothing removed; see e2e/cluster/src/site.rs for the variables that it then needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export TRANSCODE_CLUSTER=${TRANSCODE_CLUSTER:-e2e}

cluster() { e2e/cluster/cluster.sh "$@"; }

if [ -z "${E2E_KUBECONFIG:-}" ]; then
	[ "${E2E_KEEP:-}" = 1 ] || trap 'cluster down' EXIT
	e2e/tools/install.sh helm kstatus
	cluster up
	cluster images
	hack/previous.sh >/dev/null
	mapfile -t previous < <(hack/images.sh --list --tag previous)
	cluster load-image "${previous[@]}"
	eval "$(cluster env)"
	# People start it again in a shell that has its environment.
	cluster up >/dev/null
	e2e/cluster/install-operator.sh
	export E2E_INSTALL=$PWD/e2e/cluster/install-operator.sh
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
