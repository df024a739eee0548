{{/*
Checks that values.schema.json can't express. All problems are collected and reported in one error, each with the path
of its value. No message quotes a secret.
*/}}
{{- define "todo-chatbot.validate" -}}
{{- $problems := concat
  (include "todo-chatbot.validate.names" . | fromJsonArray)
  (include "todo-chatbot.validate.secrets" . | fromJsonArray)
  (include "todo-chatbot.validate.origins" . | fromJsonArray)
  (include "todo-chatbot.validate.extra" . | fromJsonArray)
  (include "todo-chatbot.validate.sizes" . | fromJsonArray)
  (include "todo-chatbot.validate.replicas" . | fromJsonArray)
  (include "todo-chatbot.validate.component" (dict "root" . "component" "backend") | fromJsonArray)
  (include "todo-chatbot.validate.component" (dict "root" . "component" "frontend") | fromJsonArray)
-}}
{{- with .Values.namespace -}}
{{- if and .create (eq .name $.Release.Namespace) -}}
{{- $problems = append $problems (printf
  "namespace.create: must be false, because the release is installed in namespace %s, which exists already"
  .name) -}}
{{- end -}}
{{- end -}}
{{- with $problems }}{{ fail (printf "the values are refused:\n- %s" (join "\n- " .)) }}{{ end -}}
{{- end }}

{{/* Each of the following helpers returns a JSON array of messages. */}}

{{- define "todo-chatbot.validate.names" -}}
{{- $problems := list -}}
{{- if and .Values.fullnameOverride .Values.namePrefix -}}
{{- $problems = append $problems "fullnameOverride: can't be combined with namePrefix; set only one of them" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "todo-chatbot.validate.secrets" -}}
{{- $problems := list -}}
{{- $secrets := .Values.secrets | default dict -}}
{{- $missing := list -}}
{{- $given := list -}}
{{- range $key := list "databaseUrl" "betterAuthSecret" "openaiApiKey" -}}
{{- $path := printf "secrets.%s" $key -}}
{{- if get $secrets $key }}{{ $given = append $given $path }}{{ else }}{{ $missing = append $missing $path }}{{ end -}}
{{- end -}}
{{- with $secrets.existingSecret -}}
{{- $missing = list -}}
{{- if or (gt (len .) 253) (not (regexMatch `^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$` .)) -}}
{{- $problems = append $problems (print
  "secrets.existingSecret: must be the name of a Secret: lower-case letters, digits, dashes and dots, "
  "at most 253 characters, starting and ending with a letter or digit") -}}
{{- end -}}
{{- if $given -}}
{{- $problems = append $problems (printf
  "secrets.existingSecret: can't be combined with %s; the existing Secret holds these" (join ", " $given)) -}}
{{- end -}}
{{- end -}}
{{- with $missing -}}
{{- $problems = append $problems (printf
  "%s: required; set them in your own values file (--values FILE, or --values - for standard input)"
  (join ", " .)) -}}
{{- end -}}
{{- $host := `(\[[0-9A-Fa-f:.]+\]|[-._A-Za-z0-9]+)(:[0-9]{1,5})?` -}}
{{- $postgres := printf `^postgres(ql)?(\+[a-z0-9_]+)?://[^:/?#@\s]+:[^/?#@\s]+@%s(/[^\s]*)?(\?[^\s]*)?$` $host -}}
{{- with $secrets.databaseUrl -}}
{{- if not (regexMatch $postgres .) -}}
{{- $problems = append $problems (print
  "secrets.databaseUrl: must be a postgres:// or postgresql:// URL (a driver suffix is allowed) "
  "with user, password and host, and without spaces; percent-encode special characters") -}}
{{- end -}}
{{- end -}}
{{- with $secrets.betterAuthSecret -}}
{{- if not (regexMatch `^[^\x00]{32,}$` .) -}}
{{- $problems = append $problems "secrets.betterAuthSecret: must have 32 or more characters" -}}
{{- end -}}
{{- end -}}
{{- with $secrets.openaiApiKey -}}
{{- if not (regexMatch `^sk-proj-\S+$` .) -}}
{{- $problems = append $problems "secrets.openaiApiKey: must start with sk-proj- and have no spaces" -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "todo-chatbot.validate.origins" -}}
{{- $problems := list -}}
{{- range $key, $origins := dict "publicUrl" .Values.publicUrl "config.corsOrigins" .Values.config.corsOrigins -}}
{{- range $origin := splitList "," $origins -}}
{{- $port := regexFind `:[0-9]+$` $origin | trimPrefix ":" | default "80" | atoi -}}
{{- if or
  (not (regexMatch `^https?://(\[[0-9a-f:.]+\]|[a-z0-9]([-.a-z0-9]*[a-z0-9])?)(:[0-9]+)?$` $origin))
  (lt $port 1) (gt $port 65535)
-}}
{{- $problems = append $problems (printf
  "%s: %s is not an origin: scheme://host[:port] in lower case, the port 1-65535" $key $origin) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "todo-chatbot.validate.extra" -}}
{{- $problems := list -}}
{{- $own := list
  "ENVIRONMENT" "DEBUG" "CORS_ORIGINS" "OPENAI_MODEL" "OPENAI_BASE_URL" "BACKEND_URL" "BETTER_AUTH_URL"
  "DATABASE_URL" "BETTER_AUTH_SECRET" "OPENAI_API_KEY"
  "POD_NAME" "APP_VERSION" "PORT" "DRAIN_SECONDS" "DATABASE_POOL_SIZE" "PGSSLROOTCERT"
-}}
{{- range $key := keys .Values.config.extra | sortAlpha -}}
{{- if has $key $own -}}
{{- $problems = append $problems (printf "config.extra.%s: the variable %s is set by the chart" $key $key) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{/*
Size limits: 1 MiB for all values of one object (Kubernetes), 128 KiB for one environment string, that is NAME=value
and its NUL (Linux).
*/}}
{{- define "todo-chatbot.validate.sizes" -}}
{{- $problems := list -}}
{{- $paths := dict
  "CORS_ORIGINS" "config.corsOrigins" "ca.crt" "database.caCertificate" "DATABASE_URL" "secrets.databaseUrl"
  "BETTER_AUTH_SECRET" "secrets.betterAuthSecret" "OPENAI_API_KEY" "secrets.openaiApiKey"
-}}
{{- $objects := dict
  "ConfigMap" (include "todo-chatbot.config" . | fromJson)
  "Secret" (include "todo-chatbot.secrets" . | fromJson)
-}}
{{- range $kind, $data := $objects -}}
{{- $total := 0 -}}
{{- $largest := "" -}}
{{- range $key, $value := $data -}}
{{- $total = add $total (len $value) -}}
{{- if ge (len $value) (len (get $data $largest)) }}{{ $largest = $key }}{{ end -}}
{{- $bytes := add (len $key) (len $value) 2 -}}
{{- if and (gt $bytes 131072) (ne $key "ca.crt") -}}
{{- $problems = append $problems (printf
  "%s: %s=value has %d bytes, more than the limit of 131072 for an environment variable"
  (get $paths $key | default (printf "config.extra.%s" $key)) $key $bytes) -}}
{{- end -}}
{{- end -}}
{{- if gt $total 1048576 -}}
{{- $problems = append $problems (printf
  "%s: the values of the %s have %d bytes, more than the limit of 1048576; this is the largest of them"
  (get $paths $largest | default (printf "config.extra.%s" $largest)) $kind $total) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "todo-chatbot.validate.replicas" -}}
{{- $problems := list -}}
{{- $scaling := .Values.backend.autoscaling -}}
{{- if .Values.localCluster -}}
{{- range $key, $count := dict
  "backend.replicas" .Values.backend.replicas
  "frontend.replicas" .Values.frontend.replicas
  "backend.autoscaling.minReplicas" $scaling.minReplicas
  "backend.autoscaling.maxReplicas" $scaling.maxReplicas
-}}
{{- if gt (int $count) 5 -}}
{{- $problems = append $problems (printf
  "%s: %d is more than 5, the limit on a local cluster; set localCluster: false on other clusters"
  $key (int $count)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- $problems = append $problems (printf
  "backend.autoscaling.minReplicas: %d is more than maxReplicas %d"
  (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{- define "todo-chatbot.validate.component" -}}
{{- $problems := list -}}
{{- $component := .component -}}
{{- $values := get .root.Values $component -}}

{{- range $kind, $quantities := $values.resources -}}
{{- range $resource, $quantity := $quantities -}}
{{- $number := include "todo-chatbot.number" $quantity | float64 -}}
{{- $path := printf "%s.resources.%s.%s" $component $kind $resource -}}
{{- if le $number 0.0 -}}
{{- $problems = append $problems (printf "%s: must be more than 0" $path) -}}
{{- else if and (eq $resource "memory") (lt $number 4194304.0) -}}
{{- $problems = append $problems (printf "%s: no container starts with less than 4Mi" $path) -}}
{{- else if and (eq $resource "cpu") (gt $number 128.0) -}}
{{- $problems = append $problems (printf "%s: must be at most 128 CPUs" $path) -}}
{{- else if and (eq $resource "memory") (gt $number 1099511627776.0) -}}
{{- $problems = append $problems (printf "%s: must be at most 1Ti" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $resource, $request := $values.resources.requests -}}
{{- $limit := get $values.resources.limits $resource -}}
{{- if gt (include "todo-chatbot.number" $request | float64) (include "todo-chatbot.number" $limit | float64) -}}
{{- $problems = append $problems (printf
  "%s.resources.requests.%s: %s is more than the limit %s"
  $component $resource (include "todo-chatbot.quantity" $request) (include "todo-chatbot.quantity" $limit)) -}}
{{- end -}}
{{- end -}}

{{- $grace := int $values.terminationGracePeriodSeconds -}}
{{- if ge (add $values.preStopSeconds $values.drainSeconds) $grace -}}
{{- $problems = append $problems (printf
  "%s.terminationGracePeriodSeconds: %d must be more than preStopSeconds %d + drainSeconds %d"
  $component $grace (int $values.preStopSeconds) (int $values.drainSeconds)) -}}
{{- end -}}

{{- with $values.probes -}}
{{- $readiness := mul .readiness.periodSeconds .readiness.failureThreshold -}}
{{- $liveness := mul .liveness.periodSeconds .liveness.failureThreshold -}}
{{- if le $liveness $readiness -}}
{{- $problems = append $problems (printf
  "%s.probes.liveness: fails after %d s (periodSeconds x failureThreshold), must be more than the %d s of readiness"
  $component $liveness $readiness) -}}
{{- end -}}
{{- end -}}

{{- /* Kubernetes rounds a percentage up for maxSurge and down for maxUnavailable. */ -}}
{{- $replicas := int $values.replicas -}}
{{- with $values.autoscaling }}{{ if .enabled }}{{ $replicas = int .minReplicas }}{{ end }}{{ end -}}
{{- $surge := toString $values.strategy.maxSurge -}}
{{- $unavailable := toString $values.strategy.maxUnavailable -}}
{{- $unavailablePods := trimSuffix "%" $unavailable | atoi -}}
{{- if hasSuffix "%" $unavailable }}{{ $unavailablePods = div (mul $unavailablePods $replicas) 100 }}{{ end -}}
{{- if and (eq (trimSuffix "%" $surge) "0") (eq (int $unavailablePods) 0) -}}
{{- $problems = append $problems (printf
  "%s.strategy: maxSurge %s and maxUnavailable %s are both 0 of %d pods; one of them must be at least 1 for a rollout"
  $component $surge $unavailable $replicas) -}}
{{- end -}}

{{- range $key := keys $values.podLabels | sortAlpha -}}
{{- if or (has $key (list "app" "component")) (hasPrefix "app.kubernetes.io/" $key) -}}
{{- $problems = append $problems (printf "%s.podLabels.%s: the label %s is set by the chart" $component $key $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := keys $values.podAnnotations | sortAlpha -}}
{{- if hasPrefix "checksum/" $key -}}
{{- $problems = append $problems (printf
  "%s.podAnnotations.%s: the prefix checksum/ is reserved for the chart" $component $key) -}}
{{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end }}

{{/* The numeric value of a quantity, so that 500m equals 0.5 and 512Mi equals 536870912. */}}
{{- define "todo-chatbot.number" -}}
{{- $scales := dict
  "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976
-}}
{{- $quantity := include "todo-chatbot.quantity" . -}}
{{- $number := regexFind `^[0-9.]+([eE][-+]?[0-9]+)?` $quantity -}}
{{- mulf $number (get $scales (trimPrefix $number $quantity) | default 1) -}}
{{- end }}
