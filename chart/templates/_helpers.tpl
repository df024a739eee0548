{{/*
Names, labels, and what both components' pods have in common.
Templates for one component take (dict "root" $ "component" "backend"|"frontend").
*/}}

{{/* Names. */}}
{{- define "todo.prefix" -}}
{{ .Values.fullnameOverride | default "todo" }}
{{- end }}

{{- define "todo.configMapName" -}}
{{ include "todo.prefix" . }}-chatbot-config
{{- end }}

{{- define "todo.secretName" -}}
{{ include "todo.prefix" . }}-chatbot-secrets
{{- end }}

{{- define "todo.componentName" -}}
{{ include "todo.prefix" .root }}-{{ .component }}
{{- end }}

{{- define "todo.serviceName" -}}
{{ include "todo.componentName" . }}-service
{{- end }}

{{/* Labels of every object. */}}
{{- define "todo.labels" -}}
app: todo-chatbot
app.kubernetes.io/name: todo-chatbot
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of a component's objects. */}}
{{- define "todo.componentLabels" -}}
{{ include "todo.labels" .root }}
component: {{ .component }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels that identify a component's pods; the instance keeps two releases in one namespace apart. */}}
{{- define "todo.selectorLabels" -}}
app: todo-chatbot
component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end }}

{{- define "todo.podLabels" -}}
{{ include "todo.selectorLabels" . }}
app.kubernetes.io/name: todo-chatbot
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with (get .root.Values .component).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Data of the ConfigMap, as JSON. */}}
{{- define "todo.config" -}}
{{- $values := .Values -}}
{{- $backend := dict "root" . "component" "backend" -}}
{{- $config := dict
  "ENVIRONMENT" $values.config.environment
  "DEBUG" (toString $values.config.debug)
  "CORS_ORIGINS" $values.config.corsOrigins
  "OPENAI_MODEL" $values.config.openaiModel
  "BACKEND_URL" (printf "http://%s:%d" (include "todo.serviceName" $backend) (int $values.backend.service.port))
  "BETTER_AUTH_URL" $values.publicUrl
-}}
{{- with $values.config.openaiBaseUrl }}{{ $_ := set $config "OPENAI_BASE_URL" . }}{{ end -}}
{{- with $values.database.caCertificate }}{{ $_ := set $config "ca.crt" . }}{{ end -}}
{{- merge $config $values.config.extra | toJson -}}
{{- end }}

{{/* Data of the Secret before base64, as JSON. */}}
{{- define "todo.secrets" -}}
{{- $secrets := .Values.secrets | default dict -}}
{{- dict
  "DATABASE_URL" ($secrets.databaseUrl | default "")
  "BETTER_AUTH_SECRET" ($secrets.betterAuthSecret | default "")
  "OPENAI_API_KEY" ($secrets.openaiApiKey | default "")
  | toJson
-}}
{{- end }}

{{/* Keys of the ConfigMap that a component gets as environment, as a JSON array. */}}
{{- define "todo.configKeys" -}}
{{- $keys := list "ENVIRONMENT" "DEBUG" -}}
{{- if eq .component "backend" -}}
{{- $keys = concat $keys (list "CORS_ORIGINS" "OPENAI_MODEL") -}}
{{- if .root.Values.config.openaiBaseUrl }}{{ $keys = append $keys "OPENAI_BASE_URL" }}{{ end -}}
{{- $keys = concat $keys (keys .root.Values.config.extra | sortAlpha) -}}
{{- else -}}
{{- $keys = concat $keys (list "BACKEND_URL" "BETTER_AUTH_URL") -}}
{{- end -}}
{{- toJson $keys -}}
{{- end }}

{{/* Keys of the Secret that a component gets as environment, as a JSON array. */}}
{{- define "todo.secretKeys" -}}
{{- $keys := list "DATABASE_URL" "BETTER_AUTH_SECRET" -}}
{{- if eq .component "backend" }}{{ $keys = append $keys "OPENAI_API_KEY" }}{{ end -}}
{{- toJson $keys -}}
{{- end }}

{{/* Annotations of a component's pods: a change of what it uses, and of nothing else, rolls them. */}}
{{- define "todo.podAnnotations" -}}
{{- $config := include "todo.config" .root | fromJson -}}
{{- $used := pick $config "ca.crt" -}}
{{- range include "todo.configKeys" . | fromJsonArray }}{{ $_ := set $used . (get $config .) }}{{ end -}}
{{- $secrets := include "todo.secrets" .root | fromJson -}}
{{- $usedSecrets := dict -}}
{{- range include "todo.secretKeys" . | fromJsonArray }}{{ $_ := set $usedSecrets . (get $secrets .) }}{{ end -}}
checksum/config: {{ $used | toJson | sha256sum }}
checksum/secret: {{ $usedSecrets | toJson | sha256sum }}
{{- with (get .root.Values .component).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Strategy and history of a component's Deployment. */}}
{{- define "todo.deploymentSettings" -}}
{{- $values := get .root.Values .component -}}
revisionHistoryLimit: {{ int $values.revisionHistoryLimit }}
progressDeadlineSeconds: {{ int $values.progressDeadlineSeconds }}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: {{ toJson $values.strategy.maxSurge }}
    maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}
{{- end }}

{{/* Settings of a component's pods. */}}
{{- define "todo.podSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int (get .root.Values .component).terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Image, resources and rights: the same for a component's init container. */}}
{{- define "todo.containerSettings" -}}
{{- $values := get .root.Values .component -}}
image: {{ printf "%s:%s" $values.image.repository (include "todo.imageTag" .) | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
resources:
  {{- range $kind := list "requests" "limits" }}
  {{ $kind }}:
    {{- range $resource, $quantity := get $values.resources $kind }}
    {{ $resource }}: {{ include "todo.quantity" $quantity | quote }}
    {{- end }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "todo.imageTag" -}}
{{ (get .root.Values .component).image.tag | default "latest" }}
{{- end }}

{{/* A quantity as Kubernetes writes it; toJson, since a large number would print as 5.36870912e+08. */}}
{{- define "todo.quantity" -}}
{{ toJson . | trimAll "\"" }}
{{- end }}

{{/* Port, probes and end of a component's container. */}}
{{- define "todo.serving" -}}
{{- $values := get .root.Values .component -}}
ports:
  - name: http
    containerPort: {{ int $values.containerPort }}
    protocol: TCP
{{- range $kind := list "startup" "readiness" "liveness" }}
{{- with get $values.probes $kind }}
{{ $kind }}Probe:
  httpGet:
    path: {{ .path | quote }}
    port: http
  periodSeconds: {{ int .periodSeconds }}
  timeoutSeconds: {{ int .timeoutSeconds }}
  failureThreshold: {{ int .failureThreshold }}
{{- end }}
{{- end }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ int $values.preStopSeconds }}
{{- end }}

{{/* Takes (dict "root" $ "key" "DATABASE_URL"). */}}
{{- define "todo.secretEnv" -}}
- name: {{ .key }}
  valueFrom:
    secretKeyRef:
      name: {{ include "todo.secretName" .root }}
      key: {{ .key }}
{{- end }}

{{/* Environment of everything that connects to the database; connections are named after the pod. */}}
{{- define "todo.databaseEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{ include "todo.secretEnv" (dict "root" .root "key" "DATABASE_URL") }}
{{- if .root.Values.database.caCertificate }}
- name: {{ ternary "PGSSLROOTCERT" "NODE_EXTRA_CA_CERTS" (eq .component "backend") }}
  value: /etc/todo/ca/ca.crt
{{- end }}
{{- end }}

{{/* Environment of a component's container, but for what the component alone needs. */}}
{{- define "todo.env" -}}
{{- $root := .root -}}
{{- $values := get $root.Values .component -}}
{{ include "todo.databaseEnv" . }}
- name: DATABASE_POOL_SIZE
  value: {{ int $root.Values.database.poolSize | quote }}
- name: APP_VERSION
  value: {{ include "todo.imageTag" . | quote }}
- name: PORT
  value: {{ int $values.containerPort | quote }}
- name: DRAIN_SECONDS
  value: {{ int $values.drainSeconds | quote }}
{{- range without (include "todo.secretKeys" . | fromJsonArray) "DATABASE_URL" }}
{{ include "todo.secretEnv" (dict "root" $root "key" .) }}
{{- end }}
{{- range include "todo.configKeys" . | fromJsonArray }}
- name: {{ . }}
  valueFrom:
    configMapKeyRef:
      name: {{ include "todo.configMapName" $root }}
      key: {{ . }}
{{- end }}
{{- end }}

{{/* The root file system is read-only: what must be writable, and the database's CA. */}}
{{- define "todo.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .Values.database.caCertificate }}
- name: database-ca
  configMap:
    name: {{ include "todo.configMapName" . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}

{{- define "todo.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.database.caCertificate }}
- name: database-ca
  mountPath: /etc/todo/ca
  readOnly: true
{{- end }}
{{- end }}
