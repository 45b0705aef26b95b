#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is asked of files alone: without an agent, and as nobody in particular.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

export VSPLIT_SOCKET=$SANDBOX/nobody-listens
mkdir "$SANDBOX/files"
chmod 755 "$SANDBOX" "$SANDBOX/files"
cp "$BUILD/userspace/vsplit" "$SANDBOX/vsplit"
offline() { setpriv --reuid=65534 --regid=65534 --clear-groups "$SANDBOX/vsplit" "$@"; }

# route: who connects decides.
fleetman_without_rule >"$SANDBOX/files/service.yaml"
web_rule 9 1 >"$SANDBOX/files/rule.yaml"
# On one line.
route() { offline route -f "$SANDBOX/files" -o json "$@" | tr -d ' \n'; }
expect_line "route of another" '.*"name":"outbound\|80\|safe\|[^"]*".*"share":1[,.}].*' "$(route --namespace default)"
said=$(route --namespace default --labels app=web,x=y)
expect_line "route of web" '.*"share":0\.1[,}].*"share":0\.9[,}].*' "$said"
expect_line "route of a pod" '.*spec\.http\[1\].*' "$(route --pod default/fleetman-safe-1)"
expect_line "route in words" '.*fleetman-staff-service.*' "$(offline route -f "$SANDBOX/files" --namespace default)"
status=0
offline route -f "$SANDBOX/files" --labels x >/dev/null 2>&1 || status=$?
expect_text "status of a broken label" 1 "$((status != 0))"

# analyze: istioctl's findings.
cat >"$SANDBOX/missing.yaml" <<'EOF'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: default}
spec: {hosts: [nobody], http: [{route: [{destination: {host: nobody}}]}]}
EOF
expect_line "analyze" '.*\[IST0101\].*VirtualService.*default.*v.*' "$(offline analyze -f "$SANDBOX/missing.yaml" || true)"
expect_line "analyze in JSON" '.*"code":"IST0101".*' "$(offline analyze -f "$SANDBOX/missing.yaml" -o json || true)"

# validate: one line for each document.
cat >"$SANDBOX/mixed.yaml" <<'EOF'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: good, namespace: default}
spec: {hosts: [a], http: [{mirror: {host: b}, route: [{destination: {host: a}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bad, namespace: default}
spec: {hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}
EOF
lines=$(offline validate -f "$SANDBOX/mixed.yaml" -o json || true)
expect_line "validate: a good one" '.*"name":"good".*"valid":true,"errors":\[\],"warnings":\[.+\].*' "$lines"
# Where a cluster with Istio would find each: the errors' layers.
cat >"$SANDBOX/layers.yaml" <<'EOF'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: webhook, namespace: default}
spec: {hosts: [a], http: [{route: [{destination: {host: a}, weight: 50}, {destination: {host: a}, weight: -1}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: schema, namespace: default}
spec: {hosts: a, http: [{route: [{destination: {host: a}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: fields, namespace: default}
spec: {hosts: [a], http: [{route: [{destination: {host: a}, weigth: 1}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: Meta, namespace: default}
spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: yaml, namespace: default}
spec: {hosts: [a], hosts: [b], http: [{route: [{destination: {host: a}}]}]}
EOF
expect_text "validate: layers" 'webhook "layer":"webhook"
schema "layer":"schema"
fields "layer":"fields"
Meta "layer":"meta"
yaml "layer":"yaml"' "$({ offline validate -f "$SANDBOX/layers.yaml" -o json || true; } |
    sed -E 's/.*"name":"([^"]*)".*"errors":\[\{("layer":"[^"]*").*/\1 \2/')"
expect_line "validate: a bad one" '.*"name":"bad".*"valid":false,"errors":\[.*"message":.*weight.*\].*' "$lines"
