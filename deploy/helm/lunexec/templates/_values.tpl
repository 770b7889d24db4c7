{{/* A value that may be YAML, JSON as text, or JSON with \" as the original wants it: one line of JSON.
     Takes {name, value, list}: list says whether an array or an object is meant. */}}
{{- define "lunexec.json" -}}
{{- if not (empty .value) }}
{{- $text := "" }}
{{- if kindIs "string" .value }}
{{- $text = trim .value }}
{{- if and (contains "\\\"" $text) (not (regexMatch "(^|[^\\\\])\"" $text)) }}
{{- $text = replace "\\\"" "\"" $text }}
{{- end }}
{{- else }}
{{- $text = toJson .value }}
{{- end }}
{{- $bad := false }}
{{- if .list }}
{{- range fromJsonArray $text }}{{ if not (kindIs "map" .) }}{{ $bad = true }}{{ end }}{{ end }}
{{- else if hasKey (fromJson $text) "Error" }}
{{- $bad = true }}
{{- end }}
{{- if $bad }}
{{- fail (printf "%s: %s is no %s" .name $text (ternary "list of objects, as YAML or JSON" "object, as YAML or JSON" .list)) }}
{{- end }}
{{- $text }}
{{- end }}
{{- end }}

{{/* k=v,k2=v2 of a map or of that text; takes {name, value}. */}}
{{- define "lunexec.pairs" -}}
{{- if kindIs "map" .value }}
{{- $pairs := list }}
{{- range $key, $value := .value }}{{ $pairs = append $pairs (printf "%s=%s" $key (toString $value)) }}{{ end }}
{{- join "," $pairs }}
{{- else if not (empty .value) }}
{{- range splitList "," .value }}
{{- if ne (len (splitList "=" .)) 2 }}{{ fail (printf "%s: %q is not key=value" $.name .) }}{{ end }}
{{- end }}
{{- .value }}
{{- end }}
{{- end }}

{{/* What a number or null becomes in an environment; 0 stays 0. */}}
{{- define "lunexec.text" -}}
{{- if not (kindIs "invalid" .) }}{{ if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}{{ end }}
{{- end }}

{{/* The variables that come from values of the original; takes {root, executor}. All keys are always
     there, blank when unset, as in the original. */}}
{{- define "lunexec.settings" -}}
{{- $e := .executor }}
{{- $job := $e.kubernetesJob }}
{{- $n := "executor.kubernetesJob" }}
EXECUTOR_FRONTEND_URL: {{ $e.frontendUrl | default "http://sourcegraph-frontend:30080" | quote }}
EXECUTOR_DOCKER_ADD_HOST_GATEWAY: {{ $e.dockerAddHostGateway | toString | quote }}
EXECUTOR_QUEUE_NAME: {{ $e.queueName | quote }}
EXECUTOR_QUEUE_NAMES: {{ join "," $e.queueNames | quote }}
EXECUTOR_MAXIMUM_NUM_JOBS: {{ include "lunexec.text" $e.maximumNumJobs | quote }}
EXECUTOR_MAXIMUM_RUNTIME_PER_JOB: {{ $e.maximumRuntimePerJob | quote }}
EXECUTOR_USE_FIRECRACKER: "false"
EXECUTOR_KEEP_WORKSPACES: {{ $e.debug.keepWorkspaces | toString | quote }}
EXECUTOR_KUBERNETES_CONFIG_PATH: {{ $e.kubeconfigPath | quote }}
EXECUTOR_KUBERNETES_NAMESPACE: {{ include "lunexec.jobNamespace" .root | quote }}
EXECUTOR_KUBERNETES_NODE_NAME: {{ $job.node.name | quote }}
EXECUTOR_KUBERNETES_NODE_SELECTOR: {{ include "lunexec.pairs" (dict "name" (print $n ".node.selector") "value" $job.node.selector) | quote }}
EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS: {{ include "lunexec.json" (dict "list" true "name" (print $n ".node.requiredAffinityMatchExpressions") "value" $job.node.requiredAffinityMatchExpressions) | quote }}
EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS: {{ include "lunexec.json" (dict "list" true "name" (print $n ".node.requiredAffinityMatchFields") "value" $job.node.requiredAffinityMatchFields) | quote }}
EXECUTOR_KUBERNETES_NODE_TOLERATIONS: {{ include "lunexec.json" (dict "list" true "name" (print $n ".node.tolerations") "value" $job.node.tolerations) | quote }}
EXECUTOR_KUBERNETES_POD_AFFINITY: {{ include "lunexec.json" (dict "list" true "name" (print $n ".pod.affinity") "value" $job.pod.affinity) | quote }}
EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY: {{ include "lunexec.json" (dict "list" true "name" (print $n ".pod.antiAffinity") "value" $job.pod.antiAffinity) | quote }}
EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU: {{ include "lunexec.text" $job.resources.limits.cpu | quote }}
EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY: {{ include "lunexec.text" $job.resources.limits.memory | quote }}
EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU: {{ include "lunexec.text" $job.resources.requests.cpu | quote }}
EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY: {{ include "lunexec.text" $job.resources.requests.memory | quote }}
KUBERNETES_JOB_DEADLINE: {{ include "lunexec.text" $job.deadline | quote }}
KUBERNETES_RUN_AS_USER: {{ include "lunexec.text" $job.runAsUser | quote }}
KUBERNETES_RUN_AS_GROUP: {{ include "lunexec.text" $job.runAsGroup | quote }}
KUBERNETES_FS_GROUP: {{ include "lunexec.text" $job.fsGroup | quote }}
KUBERNETES_KEEP_JOBS: {{ $e.debug.keepJobs | toString | quote }}
SRC_LOG_LEVEL: {{ $e.log.level | quote }}
SRC_LOG_FORMAT: {{ $e.log.format | quote }}
SRC_TRACE_LOG: {{ $e.log.trace | toString | quote }}
{{- end }}

{{/* The variables that come from lunexec.*: those that are set. */}}
{{- define "lunexec.ownSettings" -}}
{{- $l := .Values.lunexec }}
{{- $set := dict
  "KUBERNETES_IMAGE_PULL_SECRETS" (join "," $l.jobs.imagePullSecrets)
  "KUBERNETES_IMAGE_PULL_POLICY" $l.jobs.imagePullPolicy
  "KUBERNETES_JOB_STEP_IMAGE" $l.jobs.stepImage
  "KUBERNETES_JOB_VOLUME_TYPE" $l.jobs.volumeType
  "KUBERNETES_JOB_VOLUME_SIZE" $l.jobs.volumeSize
  "KUBERNETES_JOB_HOST_NETWORK" (ternary "true" "" $l.jobs.hostNetwork)
  "KUBERNETES_GIT_CA_CERT" $l.jobs.gitCaCert
  "LUNEXEC_JOB_STORAGE_CLASS" $l.jobs.storageClass
  "LUNEXEC_JOB_TTL" $l.jobs.ttl
  "LUNEXEC_FIREWALL_PROFILE" $l.jobs.profile
  "EXECUTOR_KUBERNETES_PERSISTENCE_VOLUME_NAME" $l.sharedVolume.existingClaim
  "LUNEXEC_POLICY_DIR" (ternary "/etc/lunexec/policy" "" (ne (include "lunexec.policyName" .) ""))
  "LUNEXEC_NETWORK_DNS" (ternary (toJson $l.networkPolicies.dns) "" (and $l.networkPolicies.enabled (not (empty $l.networkPolicies.dns))))
  "LUNEXEC_NETWORK_FRONTEND" (include "lunexec.frontendPeer" .)
  "LUNEXEC_STATE_DIR" (ternary "/var/lib/lunexec" "" $l.state.enabled)
  "SSL_CERT_FILE" (ternary "/etc/lunexec/ca/ca.crt" "" (ne $l.caBundle.configMap ""))
  "http_proxy" $l.proxy.http
  "https_proxy" $l.proxy.https
  "no_proxy" $l.proxy.noProxy }}
{{- range $name, $value := dict "KUBERNETES_JOB_ANNOTATIONS" $l.jobs.annotations "KUBERNETES_JOB_POD_ANNOTATIONS" $l.jobs.podAnnotations "KUBERNETES_ADDITIONAL_JOB_VOLUMES" $l.jobs.volumes "KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS" $l.jobs.volumeMounts "KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT" $l.jobs.securityContext }}
{{- if $value }}{{ $_ := set $set $name (toJson $value) }}{{ end }}
{{- end }}
{{- range $name, $value := $set }}
{{- if $value }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
