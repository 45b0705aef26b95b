#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flagger takes over a Deployment that serves, and runs a canary between two hosts; scripts/test-kubernetes
# runs it, with PROGRAMS.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/canary.sh
. tests/kubernetes/canary.sh

deployment() {
    cat <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: staff}
spec:
  replicas: 2
  selector: {matchLabels: {app: staff}}
  template:
    metadata: {labels: {app: staff}}
    spec: {nodeName: node-1, containers: [{name: main, image: old}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $rule}
spec: {hosts: [$rule], http: [{route: [{destination: {host: $rule}, weight: 100}]}]}
Y
}
# Ten seconds are the shortest interval that Flagger takes.
canary() {
    cat <<Y
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: staff}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: staff}
  service: {name: $rule, port: 80, portName: http, targetPort: 8080}
  analysis: {interval: 10s, threshold: 5, stepWeights: [10, 40, 80]}
Y
}
# There is no Prometheus, and no metric is asked for.
start_controller() {
    plane_run controller "$PROGRAMS/flagger" -kubeconfig "$PLANE/admin.kubeconfig" -mesh-provider istio \
        -metrics-server http://127.0.0.1:1 -port "$(shuf -n 1 -i 20000-29999)"
}
phase_is() { [ "$(kube get canary staff -o jsonpath='{.status.phase}')" = "$1" ]; }

canary_open "$PROGRAMS/flagger-crds.yaml"
{ staff_service && echo --- && deployment; } | kube apply -f - >/dev/null
client_begin
step "100"

canary | kube apply -f - >/dev/null
start_controller
step "100 0"
sandbox_await "the Canary is Initialized" phase_is Initialized
say "Flagger has taken over"

kube set image deployment/staff main=new >/dev/null
step "90 10"
step "60 40"
step "20 80"
step "100 0" 'new 10 '
sandbox_await "the Canary has Succeeded" phase_is Succeeded
sandbox_await "the canary's pods are gone" has_pods 2
step "100 0" 'new 10 '
client_end
