{{- define "vsplit.labels" -}}
app.kubernetes.io/name: vsplit
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "vsplit.selector" -}}
app.kubernetes.io/name: vsplit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vsplit.mounts" -}}
- {name: bpf, mountPath: /sys/fs/bpf}
- {name: cgroup, mountPath: /sys/fs/cgroup, readOnly: true}
- {name: run, mountPath: /run/vsplit}
- {name: state, mountPath: /var/lib/vsplit}
{{- end }}

{{/* Never privileged, never more than what is asked for. */}}
{{- define "vsplit.security" -}}
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 0
runAsGroup: 0
capabilities:
  drop: [ALL]
  add:
    - BPF
    - NET_ADMIN
    {{- if .Values.capabilities.perfmon }}
    - PERFMON
    {{- end }}
    {{- if .Values.capabilities.resource }}
    - SYS_RESOURCE
    {{- end }}
    {{- if .Values.connectionLimits.enabled }}
    - SYS_ADMIN
    - SYS_PTRACE
    {{- end }}
{{- end }}

{{/* Whether metrics are served where others than the pod itself reach them. */}}
{{- define "vsplit.scraped" -}}
{{- $loopback := or (hasPrefix "127." .Values.metrics.address) (eq "::1" .Values.metrics.address) }}
{{- if and .Values.metrics.enabled (eq .Values.mode "agent") (not $loopback) }}true{{ end }}
{{- end }}
