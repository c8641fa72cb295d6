{{- define "sink.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that names that are made of it stay below 63. */}}
{{- define "sink.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "sink.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sink.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a selector names: it never changes for the life of a release. Takes the chart's root and a component. */}}
{{- define "sink.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sink.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Of pods: nothing that changes with the chart's version, which would replace them. */}}
{{- define "sink.podLabels" -}}
{{ include "sink.selectorLabels" . }}
app.kubernetes.io/part-of: sink-aws-s3
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sink.labels" -}}
{{ include "sink.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sink.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The ServiceAccount of the pods that write to the bucket. */}}
{{- define "sink.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "sink.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* Ingest needs no permission at all: with accounts of the chart it has one of its own. */}}
{{- define "sink.ingestServiceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ include "sink.fullname" . }}-ingest
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "sink.configMapName" -}}
{{- .Values.existingConfigMap | default (include "sink.fullname" .) }}
{{- end }}

{{- define "sink.awsSecretName" -}}
{{- if .Values.aws.existingSecret -}}
{{ .Values.aws.existingSecret }}
{{- else if .Values.aws.accessKeyId -}}
{{ include "sink.fullname" . }}-aws
{{- end -}}
{{- end }}

{{- define "sink.redisSecretName" -}}
{{- if .Values.redis.bundled.enabled -}}
{{ include "sink.fullname" . }}-redis
{{- else -}}
{{ .Values.redis.existingSecret }}
{{- end -}}
{{- end }}

{{/* The host name of the Service that takes events. */}}
{{- define "sink.address" -}}
{{ include "sink.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "sink.certificateSecretName" -}}
{{ .Values.certificate.secretName | default (printf "%s-tls" (include "sink.fullname" .)) }}
{{- end }}

{{/* The Secret with the certificate of the port. Empty: the chart mounts none. */}}
{{- define "sink.tlsSecretName" -}}
{{- if .Values.tls.enabled -}}
{{- .Values.tls.existingSecret | default (ternary (include "sink.certificateSecretName" .) "" .Values.certificate.enabled) -}}
{{- end -}}
{{- end }}

{{/* What the port speaks, and how it is named: the certificate may also be on a volume of yours, by config.tls. */}}
{{- define "sink.scheme" -}}
{{- if or .Values.tls.enabled (dig "tls" "cert_file" "" .Values.config) }}https{{ else }}http{{ end -}}
{{- end }}
