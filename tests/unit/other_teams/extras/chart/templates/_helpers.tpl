{{- define "ns" -}}{{ .Values.namespaceOverride | default "todo-chatbot" }}{{- end -}}
{{- define "sc" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 1000, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
{{- end -}}
