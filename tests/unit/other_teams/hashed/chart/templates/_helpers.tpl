{{- define "config.data" -}}
ENVIRONMENT: {{ .Values.config.environment | quote }}
DEBUG: {{ .Values.config.debug | quote }}
CORS_ORIGINS: {{ .Values.config.corsOrigins | quote }}
{{- end -}}
{{- define "secret.data" -}}
DATABASE_URL: {{ required "secrets.databaseUrl is missing" .Values.secrets.databaseUrl | b64enc | quote }}
BETTER_AUTH_SECRET: {{ required "secrets.betterAuthSecret is missing" .Values.secrets.betterAuthSecret | b64enc | quote }}
OPENAI_API_KEY: {{ required "secrets.openaiApiKey is missing" .Values.secrets.openaiApiKey | b64enc | quote }}
{{- end -}}
{{- define "config.name" -}}todo-config-{{ include "config.data" . | sha256sum | trunc 5 }}{{- end -}}
{{- define "secret.name" -}}todo-secrets-{{ include "secret.data" . | sha256sum | trunc 5 }}{{- end -}}
{{- define "restricted" -}}
securityContext:
  runAsUser: 1000
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
{{- end -}}
