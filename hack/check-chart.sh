#!/usr/bin/env bash
# Checks the Helm chart: it lints and renders with its default values and with those of
# charts/transcode-operator/ci/; every Pod passes Pod Security `restricted`; no Role reaches Secrets or
# has a wildcard; with watchNamespaces there is no ClusterRole; every flag of the operator can be given
# by a value; the definitions are those of crds/; values that don't exist or make no sense are refused.
#
# Needs helm (e2e/tools/install.sh helm), and python3 with PyYAML for more than a superficial look.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chart=charts/transcode-operator
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wrong=0
helm=$(e2e/tools/install.sh --path helm)

fail() {
	printf 'chart: %s\n' "$*" >&2
	wrong=$((wrong + 1))
}

render() { "$helm" template release "$chart" --namespace operator "$@"; }

# Says what is wrong with the objects of a file.
inspect() {
	python3 - "$1" <<-'EOF'
		import sys, yaml

		problems = []
		VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

		def want(condition, place, text):
		    if not condition:
		        problems.append(f"{place}: {text}")

		def pod(place, spec):
		    for field in ("hostNetwork", "hostPID", "hostIPC"):
		        want(not spec.get(field), place, field)
		    for volume in spec.get("volumes", []):
		        want(set(volume) - {"name"} <= VOLUMES, place, f"volume {volume['name']}")
		    outer = spec.get("securityContext", {})
		    for container in spec["containers"] + spec.get("initContainers", []):
		        inner = container.get("securityContext", {})
		        both = {**outer, **inner}
		        want(both.get("runAsNonRoot") is True and both.get("runAsUser") != 0, place, "may run as root")
		        want(both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"), place, "seccompProfile")
		        want(inner.get("allowPrivilegeEscalation") is False, place, "allowPrivilegeEscalation")
		        want(inner.get("readOnlyRootFilesystem") is True, place, "readOnlyRootFilesystem")
		        want(inner.get("capabilities") == {"drop": ["ALL"]}, place, "capabilities")
		        want(not inner.get("privileged"), place, "privileged")
		        want(container.get("resources", {}).get("requests"), place, "resources")
		        for port in container.get("ports", []):
		            want("hostPort" not in port, place, "hostPort")

		def rule(place, rule):
		    for field in ("apiGroups", "resources", "verbs"):
		        want(rule.get(field) and not any("*" in word for word in rule[field]), place, f"wildcard or nothing in {field}")
		    want(not any(word.split("/")[0] == "secrets" for word in rule["resources"]), place, "reaches Secrets")
		    want(not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), place, "can give itself more")

		with open(sys.argv[1]) as file:
		    things = list(filter(None, yaml.load_all(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
		for thing in things:
		    place = f"{thing['kind']} {thing['metadata']['name']}"
		    if thing["kind"] == "Pod":
		        pod(place, thing["spec"])
		        want(thing["spec"].get("automountServiceAccountToken") is False, place, "has a token")
		    if thing["kind"] == "Deployment":
		        pod(place, thing["spec"]["template"]["spec"])
		    if thing["kind"] in ("Role", "ClusterRole"):
		        for each in thing["rules"]:
		            rule(place, each)
		    if thing["kind"] == "CustomResourceDefinition":
		        with open(f"crds/{thing['spec']['names']['plural']}.yaml") as file:
		            want(yaml.safe_load(file)["spec"] == thing["spec"], place, "is not the one of crds/")
		    namespace = thing["metadata"].get("namespace")
		    want(namespace is None or isinstance(namespace, str), place, "its namespace is no text")
		print("\n".join(problems))
	EOF
}

# The same without Python, as far as it goes.
look() {
	grep -nE '^ *(- )?(resources|verbs|apiGroups): .*(secrets|\*)' "$1" || true
	local each
	for each in 'runAsNonRoot: true' 'type: RuntimeDefault' 'allowPrivilegeEscalation: false' 'drop: \[ALL\]'; do
		grep -q "$each" "$1" || echo "no $each"
	done
}

check() {
	local name=$1 said
	shift
	if ! said=$(render "$@" 2>&1 >"$folder/$name.yaml"); then
		fail "$name: $said"
		return
	fi
	said=$("$inspector" "$folder/$name.yaml")
	[ -z "$said" ] || fail "$name: $said"
}

# refused WORD OPTION…: helm refuses it, and says the word.
refused() {
	local word=$1 said
	shift
	if said=$(render "$@" 2>&1 >/dev/null); then
		fail "$* is taken, and should not be"
	elif [[ $said != *"$word"* ]]; then
		fail "$* is refused, but not for $word: $said"
	fi
}

# Flags of the operator, but those that the Pod itself gives as variables.
flags() {
	awk '
		/#\[arg\(/ { long = "" }
		match($0, /long = "[^"]*"/) { long = substr($0, RSTART + 8, RLENGTH - 9) }
		/^    pub [a-z_]+:/ { name = $2; sub(/:$/, "", name); gsub(/_/, "-", name); print long == "" ? name : long }
		/^}/ { nextfile }
	' operator/src/args.rs operator/src/allow.rs operator/src/turns.rs | grep -vxE 'namespace|name|allow|limits'
}

if python3 -c 'import yaml' 2>/dev/null; then
	inspector=inspect
else
	inspector=look
	echo "chart: looked at superficially: python3 has no yaml" >&2
fi

"$helm" lint --strict --quiet "$chart" || fail "helm lint"
check default
for values in "$chart"/ci/*-values.yaml; do
	name=$(basename "$values" -values.yaml)
	check "$name" --values "$values"
	if grep -qE '^kind: ClusterRole' "$folder/$name.yaml"; then fail "$name: a ClusterRole in spite of watchNamespaces"; fi
done
while IFS= read -r flag; do
	grep -qE -- "^ +- \"?--$flag(=|\"?$)" "$folder/everything.yaml" || fail "no value gives the operator --$flag"
done < <(flags)

refused replcas --set operator.replcas=2
refused watchNamespace --set watchNamespace=video
refused pullPolicy --set runner.image.pullPolicy=Sometimes
refused networks --set-json 'allow.networks=["10.0.0.0/8:http"]'
refused option --set-json 'defaults.option={}'
refused leaderElection --set operator.replicas=2,operator.leaderElection.enabled=false
refused otherwise --set allow.otherwise=Allow
refused runners.namespaces --set networkPolicy.runners.enabled=true

if [ "$wrong" != 0 ]; then
	echo "chart: $wrong things are wrong" >&2
	exit 1
fi
echo "chart: as it should be"
