{{/* A duration of the configuration in whole seconds, rounded up: a number of seconds, or text with ms, s, m or h. */}}
{{- define "sink.seconds" -}}
{{- $text := toString . | trim -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]+$" ($text | lower) -}}
{{- if eq $unit "ms" }}{{ divf $number 1000 | ceil }}
{{- else if eq $unit "m" }}{{ mulf $number 60 | ceil }}
{{- else if eq $unit "h" }}{{ mulf $number 3600 | ceil }}
{{- else }}{{ ceil $number }}
{{- end }}
{{- end }}

{{- define "sink.stopGraceSeconds" -}}
{{- include "sink.seconds" (dig "stop_grace" "25s" .Values.config) }}
{{- end }}

{{/* Ports are taken from `config`, with existingConfigMap too. Takes the root, a key and its default. */}}
{{- define "sink.port" -}}
{{- dig .key .default .root.Values.config | int }}
{{- end }}
{{- define "sink.eventPort" -}}{{ include "sink.port" (dict "root" . "key" "port" "default" 8080) }}{{- end }}
{{- define "sink.ingestOpsPort" -}}{{ include "sink.port" (dict "root" . "key" "ingest_ops_port" "default" 9101) }}{{- end }}
{{- define "sink.batcherOpsPort" -}}{{ include "sink.port" (dict "root" . "key" "batcher_ops_port" "default" 9102) }}{{- end }}
{{- define "sink.uploaderOpsPort" -}}{{ include "sink.port" (dict "root" . "key" "uploader_ops_port" "default" 9103) }}{{- end }}

{{/* Whether the disk of a pipeline pod may go away with the pod. Then it must never hold the only copy of an event. */}}
{{- define "sink.spoolIsTransient" -}}
{{- if eq .Values.mode "distributed" -}}
{{- if or .Values.pipeline.autoscaling.enabled (not .Values.pipeline.persistence.enabled) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* The configuration as JSON, which is YAML: large numbers keep their digits. */}}
{{- define "sink.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if include "sink.spoolIsTransient" . -}}
{{- $_ := set $config "spill_at" 0 -}}
{{- end -}}
{{- toPrettyJson $config }}
{{- end }}

{{/* The part of the configuration whose change replaces the pods. The others the sink reads when the ConfigMap changes. */}}
{{- define "sink.restartConfig" -}}
{{- $config := include "sink.config" . | fromJson -}}
{{- range .Files.Get "files/live-keys.json" | fromJsonArray -}}
{{- $path := splitList "." . -}}
{{- if eq (len $path) 1 -}}
{{- $_ := unset $config . -}}
{{- else -}}
{{- $_ := unset (dig (first $path) dict $config) (last $path) -}}
{{- end -}}
{{- end -}}
{{- toJson $config }}
{{- end }}

{{/* What every container of the sink has in its environment; it overrides the file. */}}
{{- define "sink.env" -}}
{{- if .Values.existingConfigMap }}
- { name: SINK_PORT, value: {{ include "sink.eventPort" . | quote }} }
- { name: SINK_INGEST_OPS_PORT, value: {{ include "sink.ingestOpsPort" . | quote }} }
- { name: SINK_BATCHER_OPS_PORT, value: {{ include "sink.batcherOpsPort" . | quote }} }
- { name: SINK_UPLOADER_OPS_PORT, value: {{ include "sink.uploaderOpsPort" . | quote }} }
- { name: SINK_STOP_GRACE, value: {{ printf "%ss" (include "sink.stopGraceSeconds" .) | quote }} }
{{- if include "sink.spoolIsTransient" . }}
- { name: SINK_SPILL_AT, value: '0' }
{{- end }}
{{- end }}
{{- if eq .Values.mode "distributed" }}
{{- with .Values.redis }}
{{- if .bundled.enabled }}
- { name: SINK_REDIS_URL, value: {{ printf "redis://%s-redis:6379" (include "sink.fullname" $) | quote }} }
- { name: SINK_REDIS_PASSWORD_FILE, value: /etc/sink/redis/password }
{{- else if .existingSecret }}
{{- with .urlKey }}
- { name: SINK_REDIS_URL_FILE, value: {{ printf "/etc/sink/redis/%s" . | quote }} }
{{- end }}
{{- with .passwordKey }}
- { name: SINK_REDIS_PASSWORD_FILE, value: {{ printf "/etc/sink/redis/%s" . | quote }} }
{{- end }}
{{- with .sentinelPasswordKey }}
- { name: SINK_REDIS_SENTINEL_PASSWORD_FILE, value: {{ printf "/etc/sink/redis/%s" . | quote }} }
{{- end }}
{{- end }}
{{- if .tls.existingSecret }}
{{- with .tls.caKey }}
- { name: SINK_REDIS_TLS_CA_FILE, value: {{ printf "/etc/sink/redis-tls/%s" . | quote }} }
{{- end }}
{{- with .tls.certKey }}
- { name: SINK_REDIS_TLS_CERT_FILE, value: {{ printf "/etc/sink/redis-tls/%s" . | quote }} }
{{- end }}
{{- with .tls.keyKey }}
- { name: SINK_REDIS_TLS_KEY_FILE, value: {{ printf "/etc/sink/redis-tls/%s" . | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Only what opens the port has these, and the test that posts to it. */}}
{{- define "sink.tlsEnv" -}}
{{- if include "sink.tlsSecretName" . }}
{{- with .Values.tls }}
- { name: SINK_TLS_CERT_FILE, value: {{ printf "/etc/sink/tls/%s" .certKey | quote }} }
- { name: SINK_TLS_KEY_FILE, value: {{ printf "/etc/sink/tls/%s" .keyKey | quote }} }
{{- if .clientCaSecret }}
- { name: SINK_TLS_CLIENT_CA_FILE, value: {{ printf "/etc/sink/client-ca/%s" .clientCaKey | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Only the uploader has these. */}}
{{- define "sink.awsEnv" -}}
{{- if include "sink.awsSecretName" . }}
{{- with .Values.aws }}
- { name: SINK_AWS_ACCESS_KEY_ID_FILE, value: {{ printf "/etc/sink/aws/%s" (ternary .accessKeyIdKey "access_key_id" (ne .existingSecret "")) | quote }} }
- { name: SINK_AWS_SECRET_ACCESS_KEY_FILE, value: {{ printf "/etc/sink/aws/%s" (ternary .secretAccessKeyKey "secret_access_key" (ne .existingSecret "")) | quote }} }
{{- if .existingSecret }}
{{- with .sessionTokenKey }}
- { name: SINK_AWS_SESSION_TOKEN_FILE, value: {{ printf "/etc/sink/aws/%s" . | quote }} }
{{- end }}
{{- else if .sessionToken }}
- { name: SINK_AWS_SESSION_TOKEN_FILE, value: /etc/sink/aws/session_token }
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Mistakes that the schema cannot name well. */}}
{{- define "sink.validate" -}}
{{- if and .Values.tls.enabled (not (include "sink.tlsSecretName" .)) }}
{{- fail "tls.enabled needs a certificate: set tls.existingSecret, or certificate.enabled with an issuer" }}
{{- end }}
{{- if regexMatch "^(127\\.|::1$|localhost$)" (toString (dig "ops_host" "" .Values.config)) }}
{{- fail "config.ops_host: probes and Prometheus reach the ports for health and metrics at the address of the pod: leave it out, and limit who may reach them with networkPolicy.metricsFrom" }}
{{- end }}
{{- if eq .Values.mode "distributed" }}
{{- $redis := .Values.config.redis | default dict }}
{{- $given := or $redis.url $redis.url_file $redis.sentinels $redis.cluster_nodes .Values.existingConfigMap (and .Values.redis.existingSecret .Values.redis.urlKey) }}
{{- if not (or $given .Values.redis.bundled.enabled) }}
{{- fail "mode: distributed needs a Redis: set config.redis.url, config.redis.sentinels or config.redis.cluster_nodes, or redis.existingSecret with redis.urlKey; redis.bundled.enabled=true is for trying it" }}
{{- end }}
{{- if and $given .Values.redis.bundled.enabled (not .Values.existingConfigMap) }}
{{- fail "redis.bundled.enabled: the configuration names another Redis (config.redis, or redis.urlKey): give one of the two" }}
{{- end }}
{{- if gt (mul 2 (int .Values.ingest.drainSeconds)) (int (include "sink.stopGraceSeconds" .)) }}
{{- fail (printf "ingest.drainSeconds: %d is more than half of config.stop_grace (%s s): raise config.stop_grace" (int .Values.ingest.drainSeconds) (include "sink.stopGraceSeconds" .)) }}
{{- end }}
{{- end }}
{{- if and .Values.aws.accessKeyId (not .Values.aws.secretAccessKey) }}
{{- fail "aws.secretAccessKey is missing beside aws.accessKeyId" }}
{{- end }}
{{- range $kind, $secret := dict "config.redis.url" (dig "redis" "url" "" .Values.config) "config.proxy_url" (dig "proxy_url" "" .Values.config) }}
{{- if regexMatch "//[^/]*:[^/@]*@" (toString $secret) }}
{{- fail (printf "%s has a password, and a ConfigMap is no place for it: use redis.existingSecret with urlKey, or a variable ${NAME} with extraEnv" $kind) }}
{{- end }}
{{- end }}
{{- end }}
