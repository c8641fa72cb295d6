{{/* Annotations and labels of a pod. Takes root, component, values. */}}
{{- define "sink.podMetadata" -}}
labels:
  {{- include "sink.podLabels" . | nindent 2 }}
  {{- with mustMerge (dict) .values.podLabels .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  {{- if not .root.Values.existingConfigMap }}
  checksum/restart-config: {{ include "sink.restartConfig" .root | sha256sum }}
  {{- end }}
  {{- with mustMerge (dict) .values.podAnnotations .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The part of a pod's specification that all have. Takes root, component, values, serviceAccount. */}}
{{- define "sink.podSpec" -}}
serviceAccountName: {{ .serviceAccount }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "sink.scheduling" . }}
{{- end }}

{{- define "sink.scheduling" }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if hasKey .values "topologySpreadConstraints" }}
topologySpreadConstraints:
  {{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sink.selectorLabels" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Above stop_grace, in which the sink stops in order. */}}
{{- define "sink.terminationGraceSeconds" -}}
{{- add (include "sink.stopGraceSeconds" . | int) 15 }}
{{- end }}

{{- define "sink.containerImage" -}}
image: {{ include "sink.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Takes root, values, aws: whether the container writes to the bucket, and tls: `port` if it opens the port, `client` if it only
has to know the certificate.
*/}}
{{- define "sink.containerEnv" -}}
{{- $env := include "sink.env" .root }}
{{- if .aws }}{{ $env = printf "%s%s" $env (include "sink.awsEnv" .root) }}{{ end }}
{{- if .tls }}{{ $env = printf "%s%s" $env (include "sink.tlsEnv" .root) }}{{ end }}
{{- with .more }}{{ $env = printf "%s\n%s" $env . }}{{ end }}
{{- with concat .root.Values.extraEnv .values.extraEnv }}{{ $env = printf "%s\n%s" $env (toYaml .) }}{{ end }}
{{- with trim $env }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .root.Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sink.containerMounts" -}}
volumeMounts:
  - { name: config, mountPath: /vanus-connect/config, readOnly: true }
  - { name: data, mountPath: /data }
  - { name: tmp, mountPath: /tmp }
  {{- if and .aws (include "sink.awsSecretName" .root) }}
  - { name: aws, mountPath: /etc/sink/aws, readOnly: true }
  {{- end }}
  {{- if and .tls (include "sink.tlsSecretName" .root) }}
  - { name: tls, mountPath: /etc/sink/tls, readOnly: true }
  {{- if and (eq .tls "port") .root.Values.tls.clientCaSecret }}
  - { name: client-ca, mountPath: /etc/sink/client-ca, readOnly: true }
  {{- end }}
  {{- end }}
  {{- if eq .root.Values.mode "distributed" }}
  {{- if include "sink.redisSecretName" .root }}
  - { name: redis, mountPath: /etc/sink/redis, readOnly: true }
  {{- end }}
  {{- if .root.Values.redis.tls.existingSecret }}
  - { name: redis-tls, mountPath: /etc/sink/redis-tls, readOnly: true }
  {{- end }}
  {{- end }}
  {{- with concat .root.Values.extraVolumeMounts .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* All volumes but `data`. The configuration is mounted as a directory: a subPath would never see a change. */}}
{{- define "sink.volumes" -}}
- name: config
  configMap:
    name: {{ include "sink.configMapName" .root }}
- name: tmp
  emptyDir: {}
{{- if .aws }}
{{- with include "sink.awsSecretName" .root }}
- name: aws
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- if .tls }}
{{- with include "sink.tlsSecretName" .root }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    {{- if ne $.tls "port" }}
    # Never the key.
    items: [{ key: {{ $.root.Values.tls.certKey }}, path: {{ $.root.Values.tls.certKey }} }]
    {{- end }}
{{- with $.root.Values.tls.clientCaSecret }}
{{- if eq $.tls "port" }}
- name: client-ca
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .root.Values.mode "distributed" }}
{{- with include "sink.redisSecretName" .root }}
- name: redis
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .root.Values.redis.tls.existingSecret }}
- name: redis-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- with concat .root.Values.extraVolumes .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The claim of a StatefulSet's pods: its labels never change. Takes root, component, persistence. */}}
{{- define "sink.volumeClaim" -}}
- metadata:
    name: data
    labels:
      {{- include "sink.selectorLabels" . | nindent 6 }}
    {{- with .persistence.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .persistence.size }}
{{- end }}

{{/* Probes of a service by its operations port. Takes the name of the port; of ingest also `ready`, the port to ask whether it is ready, and its scheme. */}}
{{- define "sink.opsProbes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ .port }} }
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: { path: /readyz, port: {{ .ready | default .port }}{{ with .scheme }}, scheme: {{ . | upper }}{{ end }} }
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
# A busy process is no dead one: it gets a minute.
livenessProbe:
  httpGet: { path: /healthz, port: {{ .port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* The same priority for all: an unready pod may always be evicted, so that a drain does not wait for the bucket. */}}
{{- define "sink.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "sink.fullname" .root }}{{ .suffix }}
  labels:
    {{- include "sink.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sink.selectorLabels" . | nindent 6 }}
{{- end }}
