{{- define "transcode-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* Room is left for `-defaults` and the like. */ -}}
{{- define "transcode-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "transcode-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "transcode-operator.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "transcode-operator.selector" -}}
app.kubernetes.io/name: {{ include "transcode-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "transcode-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "transcode-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: transcode-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "transcode-operator.serviceAccount" -}}
{{- default (ternary (include "transcode-operator.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "transcode-operator.leaseName" -}}
{{- default (include "transcode-operator.fullname" .) .Values.operator.leaderElection.leaseName }}
{{- end }}

{{- /* An image; of (root, image). */ -}}
{{- define "transcode-operator.image" -}}
{{- $root := index . 0 }}
{{- with index . 1 }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $root.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* An argument as it is: the kubelet would put variables in for $(NAME). */ -}}
{{- define "transcode-operator.arg" -}}
{{- . | replace "$(" "$$(" | quote }}
{{- end }}

{{- /* What Pod Security `restricted` wants of a Pod, and a user that is not root. */ -}}
{{- define "transcode-operator.podSecurity" -}}
{{- with .Values.operator.podSecurityContext }}
{{- toYaml . }}
{{- else -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- end }}

{{- define "transcode-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* What the operator may do where TranscodeJobs are. Each rule is a call that it makes. */ -}}
{{- define "transcode-operator.rules" -}}
# Watched. Patched: the finalizer. Deleted: when their time after the end is over.
- apiGroups: [transcode.media]
  resources: [transcodejobs]
  verbs: [list, watch, patch, delete]
- apiGroups: [transcode.media]
  resources: [transcodejobs/status]
  verbs: [patch]
# Children have owner references that block the owner's deletion.
- apiGroups: [transcode.media]
  resources: [transcodejobs/finalizers]
  verbs: [update]
- apiGroups: [transcode.media]
  resources: [transcodeprofiles]
  verbs: [get, list, watch]
# One for each batch of tasks. Patched: their parallelism.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# A job as it was first seen, its plan, its record. They go with their owner. Listed: those of one job, by label.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, patch]
# How tasks ended, and why they don't start.
- apiGroups: [""]
  resources: [pods, events]
  verbs: [list]
# What is told about a job.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- /* Values that don't go together. */ -}}
{{- define "transcode-operator.validate" -}}
{{- if and (gt (int .Values.operator.replicas) 1) (not .Values.operator.leaderElection.enabled) }}
{{- fail "operator.replicas: more than one need operator.leaderElection.enabled" }}
{{- end }}
{{- with .Values.networkPolicy.runners }}
{{- if and .enabled (not .namespaces) (not $.Values.watchNamespaces) }}
{{- fail "networkPolicy.runners.namespaces: say in which namespaces TranscodeJobs run" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The namespaces in which TranscodeJobs are run, as a policy's binding matches them. */ -}}
{{- define "transcode-operator.watched" -}}
{{- with .Values.watchNamespaces }}
matchResources:
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values:
          {{- toYaml . | nindent 10 }}
{{- end }}
{{- end }}

{{- /* Patterns as a regular expression in a CEL literal: `*` stands for anything. */ -}}
{{- define "transcode-operator.anyOf" -}}
{{- $patterns := list }}
{{- range . }}{{ $patterns = append $patterns (. | replace "." "[.]" | replace "*" ".*") }}{{ end -}}
'^({{ join "|" $patterns }})$'
{{- end }}

{{- define "transcode-operator.dns" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{- /* Egress to one of allow.networks. A host has no place in a NetworkPolicy: its rule is networkPolicy.runners.extraEgress. */ -}}
{{- define "transcode-operator.egress" -}}
{{- $network := . | trimPrefix "[" }}
{{- $port := "" }}
{{- if contains "]" $network }}
{{- $parts := splitn "]" 2 $network }}
{{- $network = $parts._0 }}
{{- $port = $parts._1 | trimPrefix ":" }}
{{- else if regexMatch "^[^:]+:[^:]+$" $network }}
{{- $parts := splitn ":" 2 $network }}
{{- $network = $parts._0 }}
{{- $port = $parts._1 }}
{{- end }}
{{- if regexMatch "^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)(/[0-9]+)?$" $network }}
{{- if not (contains "/" $network) }}
{{- $network = printf "%s/%s" $network (ternary "128" "32" (contains ":" $network)) }}
{{- end }}
- to: [{ipBlock: {cidr: {{ $network | quote }}}}]
{{- if ne $port "*" }}
  ports:
    {{- range (ternary (list $port) (list "80" "443") (ne $port "")) }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}
