{{- define "component.container" -}}
image: "{{ .component.image }}:{{ .root.Values.version }}"
resources: {{ toJson .component.resources }}
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 1000, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
env:
  {{- range .component.secrets }}
  - {name: {{ . }}, valueFrom: {secretKeyRef: {name: app-secrets, key: {{ . }}}}}
  {{- end }}
  {{- range $name, $value := .component.env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
{{- end -}}
