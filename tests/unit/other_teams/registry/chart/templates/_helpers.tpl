{{- define "image" -}}
{{- $image := .image -}}
{{- if $image.digest -}}
{{ .root.Values.global.imageRegistry }}/{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ .root.Values.global.imageRegistry }}/{{ $image.repository }}:{{ $image.tag }}
{{- end -}}
{{- end -}}
{{- define "sc" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 1000, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
{{- end -}}
