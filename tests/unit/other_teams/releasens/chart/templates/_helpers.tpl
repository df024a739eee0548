{{- define "name" -}}{{ .Values.fullnameOverride | default .Release.Name | trunc 40 }}{{- end -}}
{{- define "secret" -}}{{ .Values.existingSecret | default (printf "%s-secrets" (include "name" .)) }}{{- end -}}
{{- define "sc" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 1000, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
{{- end -}}
