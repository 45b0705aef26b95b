#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Argo Rollouts runs a canary between two subsets of one host, and takes back another one;
# scripts/test-kubernetes runs it, with PROGRAMS.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/canary.sh
. tests/kubernetes/canary.sh

objects() {
    cat <<Y
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $rule}
spec:
  host: $rule
  subsets:
    - {name: stable, labels: {app: staff}}
    - {name: canary, labels: {app: staff}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $rule}
spec:
  hosts: [$rule]
  http:
    - name: primary
      route:
        - {destination: {host: $rule, subset: stable}, weight: 100}
        - {destination: {host: $rule, subset: canary}, weight: 0}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: staff}
spec:
  replicas: 3
  selector: {matchLabels: {app: staff}}
  template:
    metadata: {labels: {app: staff}}
    spec: {nodeName: node-1, containers: [{name: main, image: old}]}
  strategy:
    canary:
      scaleDownDelaySeconds: 3
      abortScaleDownDelaySeconds: 3
      trafficRouting:
        istio:
          virtualService: {name: $rule, routes: [primary]}
          destinationRule: {name: $rule, stableSubsetName: stable, canarySubsetName: canary}
      steps:
        - setWeight: 10
        - pause: {}
        - setWeight: 40
        - pause: {}
        - setWeight: 80
        - pause: {}
Y
}
start_controller() {
    local ports
    mapfile -t ports < <(shuf -n 2 -i 20000-29999)
    plane_run controller "$PROGRAMS/rollouts-controller" --kubeconfig "$PLANE/admin.kubeconfig" \
        --leader-elect=false --metricsport "${ports[0]}" --healthzPort "${ports[1]}"
}

phase_is() { [ "$(kube get rollout staff -o jsonpath='{.status.phase}')" = "$1" ]; }
# image NAME: the change of the template that begins a canary.
image() {
    kube patch rollout staff --type merge -p \
        '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"'"$1"'"}]}}}}' >/dev/null
}
# What kubectl argo rollouts sends for promote and abort.
of_status() {
    kube patch rollout staff --subresource=status --type merge -p '{"status":{'"$1"'}}' >/dev/null
}
promote() { of_status '"pauseConditions":null'; }
abort() { of_status '"abort":true'; }

canary_open "$PROGRAMS/argo-rollouts-crds.yaml"
{ staff_service && echo --- && objects; } | kube apply -f - >/dev/null
start_controller
sandbox_await "the Rollout is Healthy" phase_is Healthy
programmed $rule 60s || sandbox_fail "the rule is not Programmed"
client_begin
step "100 0"

image new
for weights in "90 10" "60 40" "20 80"; do
    step "$weights"
    promote
done
sandbox_await "the Rollout is Healthy" phase_is Healthy
step "100 0" 'new 10 '
sandbox_await "the old pods are gone" has_pods 3
say "the canary is the stable version"

# Another one, which is taken back.
image newer
step "90 10" 'new 9 newer 1 '
abort
step "100 0" 'new 10 '
sandbox_await "the Rollout is Degraded" phase_is Degraded
image new
sandbox_await "the Rollout is Healthy" phase_is Healthy
sandbox_await "the canary's pods are gone" has_pods 3
step "100 0" 'new 10 '
client_end
