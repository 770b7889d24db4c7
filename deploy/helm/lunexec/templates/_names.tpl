{{/* Names of Sourcegraph's chart: drop-in means that they stay. */}}
{{- define "lunexec.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The executors of this release, as {"items": [...]}: executor's values, those of lunexec.queues on top. */}}
{{- define "lunexec.executors" -}}
{{- $items := list }}
{{- range $queue := .Values.lunexec.queues }}
{{- $own := dict "queueName" ($queue.name | default "") "queueNames" ($queue.names | default list) }}
{{- $items = append $items (mustMergeOverwrite (deepCopy $.Values.executor) (omit $queue "name" "names") $own | include "lunexec.executor" | fromYaml) }}
{{- end }}
{{- if .Values.lunexec.queues }}
{{- if or .Values.executor.queueName .Values.executor.queueNames }}
{{- fail "lunexec.queues: executor.queueName and executor.queueNames must be empty when it is set" }}
{{- end }}
{{- else }}
{{- $items = append $items (include "lunexec.executor" .Values.executor | fromYaml) }}
{{- end }}
{{- $names := list }}
{{- range $items }}
{{- if has .object $names }}{{ fail (printf "lunexec.queues: two executors named %q" .object) }}{{ end }}
{{- $names = append $names .object }}
{{- end }}
{{- dict "items" $items | toYaml }}
{{- end }}

{{/* One executor's values with its queues checked and `object`, the name of its objects. */}}
{{- define "lunexec.executor" -}}
{{- $names := .queueNames | default list }}
{{- if kindIs "string" $names }}{{ $names = splitList "," $names }}{{ end }}
{{- if and .queueName $names }}
{{- fail (printf "executor.queueName %q and executor.queueNames %s: only one of them may be set" .queueName (toJson $names)) }}
{{- end }}
{{- $name := .queueName }}
{{- if not (or $name $names) }}{{ $name = "batches" }}{{ end }}
{{- range ternary (list $name) $names (empty $names) }}
{{- if not (has . (list "batches" "codeintel")) }}
{{- fail (printf "executor.queueName or queueNames: %q is neither batches nor codeintel" .) }}
{{- end }}
{{- end }}
{{- $object := printf "executor-%s" (join "-" (ternary (list $name) $names (empty $names))) }}
{{- mustMergeOverwrite (deepCopy .) (dict "queueName" ($name | default "") "queueNames" $names "object" $object) | toYaml }}
{{- end }}

{{- define "lunexec.labels" -}}
{{ include "lunexec.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/component: executor
deploy: sourcegraph
{{- end }}

{{- define "lunexec.selector" -}}
app.kubernetes.io/name: {{ include "lunexec.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The namespace of the jobs. */}}
{{- define "lunexec.jobNamespace" -}}
{{- .Values.executor.namespace | default .Release.Namespace }}
{{- end }}

{{/* Where Sourcegraph is for the NetworkPolicies, as LUNEXEC_NETWORK_FRONTEND has it: JSON, or nothing. */}}
{{- define "lunexec.frontendPeer" -}}
{{- with .Values.lunexec.networkPolicies }}
{{- if and .enabled .frontend }}
{{- $peer := dict "ports" .frontend.ports }}
{{- if .frontend.cidrs }}
{{- $_ := set $peer "cidrs" .frontend.cidrs }}
{{- else }}
{{- $_ := set $peer "pod_labels" .frontend.pod_labels }}
{{- $_ := set $peer "namespace" (.frontend.namespace | default $.Release.Namespace) }}
{{- end }}
{{- $peer | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* An egress rule to a peer as the settings LUNEXEC_NETWORK_* have it; takes {peer, protocols}. */}}
{{- define "lunexec.peerRule" -}}
to:
  {{- with .peer.pod_labels }}
  - podSelector:
      matchLabels: {{- toYaml . | nindent 8 }}
    {{- with $.peer.namespace }}
    namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ . }}}
    {{- end }}
  {{- end }}
  {{- range .peer.cidrs }}
  - ipBlock: {cidr: {{ quote . }}}
  {{- end }}
ports:
  {{- range $port := .peer.ports }}
  {{- range $.protocols }}
  - {port: {{ $port }}, protocol: {{ . }}}
  {{- end }}
  {{- end }}
{{- end }}

{{/* The claim of an executor's state; takes {root, executor}. */}}
{{- define "lunexec.stateClaim" -}}
{{- .root.Values.lunexec.state.existingClaim | default (printf "%s-state" .executor.object) }}
{{- end }}

{{- define "lunexec.image" -}}
{{- $image := .executor.image }}
{{- $tag := tpl (toString (ternary .root.Values.sourcegraph.image.defaultTag $image.defaultTag .root.Values.sourcegraph.image.useGlobalTagAsDefault)) .root }}
{{- printf "%s/%s:%s" .root.Values.sourcegraph.image.repository $image.name (toString ($image.tag | default $tag)) }}
{{- end }}

{{/* The name of the policy's ConfigMap; empty: the bundled scripts. */}}
{{- define "lunexec.policyName" -}}
{{- with .Values.lunexec }}
{{- if and .policy.files .policy.existingConfigMap }}
{{- fail (printf "lunexec.policy.existingConfigMap %q: lunexec.policy.files is set as well; only one may be" .policy.existingConfigMap) }}
{{- end }}
{{- if .policy.existingConfigMap }}
{{- if or .jobs.serviceAccount .proxy.jobs }}
{{- fail (printf "lunexec.policy.existingConfigMap %q: lunexec.jobs.serviceAccount and lunexec.proxy.jobs need lunexec.policy.files or no policy of yours" .policy.existingConfigMap) }}
{{- end }}
{{- .policy.existingConfigMap }}
{{- else if or .policy.files .jobs.serviceAccount .proxy.jobs }}
{{- print "executor-policy" }}
{{- end }}
{{- end }}
{{- end }}
