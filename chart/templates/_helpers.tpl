{{/*
Names, labels, and everything that the pods of both components share.
Helpers for one component take (dict "root" $ "component" "backend"|"frontend").
*/}}

{{/* Name of the application, in the label app.kubernetes.io/name. Selectors do not depend on it. */}}
{{- define "todo-chatbot.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* Base name of the objects that belong to no component. */}}
{{- define "todo-chatbot.fullname" -}}
{{ .Values.fullnameOverride | default (printf "%s-chatbot" (.Values.namePrefix | default "todo")) }}
{{- end }}

{{- define "todo-chatbot.configMapName" -}}
{{ include "todo-chatbot.fullname" . }}-config
{{- end }}

{{/* Name of the Secret that the pods read: the chart's own or an existing one. */}}
{{- define "todo-chatbot.secretName" -}}
{{ include "todo-chatbot.existingSecret" . | default (printf "%s-secrets" (include "todo-chatbot.fullname" .)) }}
{{- end }}

{{/* Name of an existing Secret; empty if the chart creates its own. */}}
{{- define "todo-chatbot.existingSecret" -}}
{{ (.Values.secrets | default dict).existingSecret | default "" }}
{{- end }}

{{- define "todo-chatbot.componentName" -}}
{{ .root.Values.fullnameOverride | default .root.Values.namePrefix | default "todo" }}-{{ .component }}
{{- end }}

{{- define "todo-chatbot.serviceName" -}}
{{ include "todo-chatbot.componentName" . }}-service
{{- end }}

{{/* Labels of every object. */}}
{{- define "todo-chatbot.labels" -}}
app: todo-chatbot
app.kubernetes.io/name: {{ include "todo-chatbot.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of a component's objects. */}}
{{- define "todo-chatbot.componentLabels" -}}
{{ include "todo-chatbot.labels" .root }}
component: {{ .component }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/*
Labels that select a component's pods; the instance distinguishes two releases in one namespace. The selector of a
Deployment is immutable, so no value changes these labels.
*/}}
{{- define "todo-chatbot.selectorLabels" -}}
app: todo-chatbot
component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end }}

{{- define "todo-chatbot.podLabels" -}}
{{ include "todo-chatbot.selectorLabels" . }}
app.kubernetes.io/name: {{ include "todo-chatbot.name" .root | quote }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with (get .root.Values .component).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The data of the ConfigMap, as JSON. */}}
{{- define "todo-chatbot.config" -}}
{{- $values := .Values -}}
{{- $backend := dict "root" . "component" "backend" -}}
{{- $config := dict
  "ENVIRONMENT" $values.config.environment
  "DEBUG" (toString $values.config.debug)
  "CORS_ORIGINS" $values.config.corsOrigins
  "OPENAI_MODEL" $values.config.openaiModel
  "BACKEND_URL" (printf "http://%s:%d" (include "todo-chatbot.serviceName" $backend) (int $values.backend.service.port))
  "BETTER_AUTH_URL" $values.publicUrl
-}}
{{- with $values.config.openaiBaseUrl }}{{ $_ := set $config "OPENAI_BASE_URL" . }}{{ end -}}
{{- with $values.database.caCertificate }}{{ $_ := set $config "ca.crt" . }}{{ end -}}
{{- merge $config $values.config.extra | toJson -}}
{{- end }}

{{/* The data of the chart's own Secret before base64 encoding, as JSON. */}}
{{- define "todo-chatbot.secrets" -}}
{{- $secrets := .Values.secrets | default dict -}}
{{- dict
  "DATABASE_URL" ($secrets.databaseUrl | default "")
  "BETTER_AUTH_SECRET" ($secrets.betterAuthSecret | default "")
  "OPENAI_API_KEY" ($secrets.openaiApiKey | default "")
  | toJson
-}}
{{- end }}

{{/* Keys of the ConfigMap that a component receives as environment variables, as a JSON array. */}}
{{- define "todo-chatbot.configKeys" -}}
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

{{/* Keys of the Secret that a component receives as environment variables, as a JSON array. */}}
{{- define "todo-chatbot.secretKeys" -}}
{{- $keys := list "DATABASE_URL" "BETTER_AUTH_SECRET" -}}
{{- if eq .component "backend" }}{{ $keys = append $keys "OPENAI_API_KEY" }}{{ end -}}
{{- toJson $keys -}}
{{- end }}

{{/*
Annotations of a component's pods. The checksums change, and so start a rollout, when a value that the component uses
changes. The chart can't read an existing Secret: after rotating one, restart the Deployments
(kubectl rollout restart).
*/}}
{{- define "todo-chatbot.podAnnotations" -}}
{{- $config := include "todo-chatbot.config" .root | fromJson -}}
{{- $used := pick $config "ca.crt" -}}
{{- range include "todo-chatbot.configKeys" . | fromJsonArray }}{{ $_ := set $used . (get $config .) }}{{ end -}}
{{- $secrets := include "todo-chatbot.secrets" .root | fromJson -}}
{{- $usedSecrets := dict -}}
{{- range include "todo-chatbot.secretKeys" . | fromJsonArray }}{{ $_ := set $usedSecrets . (get $secrets .) }}{{ end -}}
checksum/config: {{ $used | toJson | sha256sum }}
{{- if not (include "todo-chatbot.existingSecret" .root) }}
checksum/secret: {{ $usedSecrets | toJson | sha256sum }}
{{- end }}
{{- with (get .root.Values .component).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Rollout settings of a component's Deployment. */}}
{{- define "todo-chatbot.deploymentSettings" -}}
{{- $values := get .root.Values .component -}}
revisionHistoryLimit: {{ int $values.revisionHistoryLimit }}
progressDeadlineSeconds: {{ int $values.progressDeadlineSeconds }}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: {{ toJson $values.strategy.maxSurge }}
    maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}
{{- end }}

{{/* Pod settings of a component. */}}
{{- define "todo-chatbot.podSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int (get .root.Values .component).terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get (get $.root.Values $.component) $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Topology spread constraints of a component; one without a labelSelector counts the component's own pods. */}}
{{- define "todo-chatbot.topologySpreadConstraints" -}}
{{- $own := dict "matchLabels" (include "todo-chatbot.selectorLabels" . | fromYaml) -}}
{{- with (get .root.Values .component).topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- range . }}
  - {{- merge (omit . "labelSelector") (dict "labelSelector" (.labelSelector | default $own)) | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Image, resources and security context of a component's containers, init containers included. */}}
{{- define "todo-chatbot.containerSettings" -}}
{{- $values := get .root.Values .component -}}
image: {{ include "todo-chatbot.image" . | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
resources:
  {{- range $kind := list "requests" "limits" }}
  {{ $kind }}:
    {{- range $resource, $quantity := get $values.resources $kind }}
    {{ $resource }}: {{ include "todo-chatbot.quantity" $quantity | quote }}
    {{- end }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Image reference of a component: by digest if there is one, else by tag. */}}
{{- define "todo-chatbot.image" -}}
{{- with (get .root.Values .component).image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ include "todo-chatbot.imageTag" $ }}{{ end }}
{{- end }}
{{- end }}

{{- define "todo-chatbot.imageTag" -}}
{{ (get .root.Values .component).image.tag | default "latest" }}
{{- end }}

{{/* A quantity in Kubernetes notation; by toJson, because a large number would print as 5.36870912e+08. */}}
{{- define "todo-chatbot.quantity" -}}
{{ toJson . | trimAll "\"" }}
{{- end }}

{{/* Ports, probes and lifecycle of a component's container. */}}
{{- define "todo-chatbot.portsAndProbes" -}}
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
{{- define "todo-chatbot.secretEnv" -}}
- name: {{ .key }}
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-chatbot.secretName" .root }}
      key: {{ .key }}
{{- end }}

{{/* Environment of every container that connects to the database; POD_NAME becomes the application_name. */}}
{{- define "todo-chatbot.databaseEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{ include "todo-chatbot.secretEnv" (dict "root" .root "key" "DATABASE_URL") }}
{{- if .root.Values.database.caCertificate }}
- name: {{ ternary "PGSSLROOTCERT" "NODE_EXTRA_CA_CERTS" (eq .component "backend") }}
  value: /etc/todo/ca/ca.crt
{{- end }}
{{- end }}

{{/* Environment of a component's main container. */}}
{{- define "todo-chatbot.env" -}}
{{- $root := .root -}}
{{- $values := get $root.Values .component -}}
{{ include "todo-chatbot.databaseEnv" . }}
- name: DATABASE_POOL_SIZE
  value: {{ int $root.Values.database.poolSize | quote }}
- name: APP_VERSION
  value: {{ include "todo-chatbot.imageTag" . | quote }}
- name: PORT
  value: {{ int $values.containerPort | quote }}
- name: DRAIN_SECONDS
  value: {{ int $values.drainSeconds | quote }}
{{- range without (include "todo-chatbot.secretKeys" . | fromJsonArray) "DATABASE_URL" }}
{{ include "todo-chatbot.secretEnv" (dict "root" $root "key" .) }}
{{- end }}
{{- range include "todo-chatbot.configKeys" . | fromJsonArray }}
- name: {{ . }}
  valueFrom:
    configMapKeyRef:
      name: {{ include "todo-chatbot.configMapName" $root }}
      key: {{ . }}
{{- end }}
{{- end }}

{{/* Volumes: a writable /tmp, because the root file system is read-only, and the CA of the database. */}}
{{- define "todo-chatbot.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .Values.database.caCertificate }}
- name: database-ca
  configMap:
    name: {{ include "todo-chatbot.configMapName" . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}

{{- define "todo-chatbot.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.database.caCertificate }}
- name: database-ca
  mountPath: /etc/todo/ca
  readOnly: true
{{- end }}
{{- end }}
