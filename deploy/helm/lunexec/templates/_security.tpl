{{/* What is not set by values is Pod Security "restricted"; what is set wins. */}}
{{- define "lunexec.podSecurity" -}}
{{- $l := .root.Values.lunexec }}
{{- $given := .executor.podSecurityContext }}
{{- if empty $given }}
{{- $given = dict }}
{{- range $key := list "fsGroup" "runAsUser" "runAsGroup" }}
{{- with index $.executor.securityContext $key }}{{ $_ := set $given $key . }}{{ end }}
{{- end }}
{{- end }}
{{- $context := dict }}
{{- if $l.restricted }}
{{- $context = dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- range $key, $value := dict "runAsUser" $l.runAsUser "runAsGroup" $l.runAsGroup "fsGroup" $l.runAsGroup }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $context $key $value }}{{ end }}
{{- end }}
{{- end }}
{{- mustMergeOverwrite $context (deepCopy $given) | toYaml }}
{{- end }}

{{- define "lunexec.containerSecurity" -}}
{{- $context := dict }}
{{- if .root.Values.lunexec.restricted }}
{{- $context = dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
{{- end }}
{{- mustMergeOverwrite $context (deepCopy .executor.containerSecurityContext) | toYaml }}
{{- end }}
