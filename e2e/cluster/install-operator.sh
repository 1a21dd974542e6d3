#!/usr/bin/env bash
# Installs the operator on the cluster that KUBECONFIG names, or upgrades it, as a user does: by the chart, into a
# namespace that enforces Pod Security `restricted`.
#
#   e2e/cluster/install-operator.sh [previous] [ARGUMENT OF helm upgrade]…
#
# `previous` installs the last released state (hack/previous.sh) instead of this checkout, with its own chart. The
# images have to be on the nodes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

namespace=transcode-system
chart=$PWD/charts/transcode-operator
tag=dev
policies=(--set policies.secretAccess=true --set policies.operatorJobs=true)
if [ "${1:-}" = previous ]; then
	shift
	chart=$(hack/previous.sh)/charts/transcode-operator
	tag=previous
	# Its chart has none.
	policies=()
fi

tool() { "$(e2e/tools/install.sh --path "$1")" "${@:2}"; }

tool kubectl create namespace $namespace --dry-run=client -o yaml | tool kubectl apply -f - >/dev/null
tool kubectl label --overwrite namespace $namespace pod-security.kubernetes.io/enforce=restricted >/dev/null
# One job's thumbnail fails whatever it does: `soft-failure`. Nodes are given up sooner than by default. The bytes of
# an archive, not its tag, say whether pods have to be made anew. Tests change the Deployment behind Helm's back.
tool helm upgrade --install transcode "$chart" --namespace $namespace --wait --timeout 3m --force-conflicts \
	--set operator.image.tag=$tag,operator.image.pullPolicy=Never,runner.image.tag=$tag,runner.image.pullPolicy=Never \
	"${policies[@]}" \
	--set "allow.networks={10.0.0.0/8:*},allow.secrets={*},runner.lostNodeSeconds=10" \
	--set-string runner.env.TRANSCODE_FAULTS='soft-failure/thumbnail/*/*=fail' \
	--set-string operator.podAnnotations.images="$(hack/images.sh --list --tag $tag | xargs cksum | cksum | cut -d' ' -f1)" "$@" >/dev/null
tool helm test transcode --namespace $namespace >/dev/null
