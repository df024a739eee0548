{{- define "chatty.ns" -}}
{{ .Values.namespace | default "todo-chatbot" }}
{{- end -}}
{{- define "chatty.env" -}}
{{- range $name, $key := dict "DATABASE_URL" "database-url" "BETTER_AUTH_SECRET" "better-auth-secret" "OPENAI_API_KEY" "openai-api-key" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: chatty-credentials
      key: {{ $key }}
{{- end }}
{{- end -}}
