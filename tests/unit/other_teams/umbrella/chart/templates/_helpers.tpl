{{- define "platform.labels" -}}
app.kubernetes.io/part-of: todo-platform
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}
