# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced by a test after tests/e2e/expect.sh: a cluster with one node, node-1, Istio's kinds and
# the rights of deploy/vsplit.yaml, and what tests ask of it. PROGRAMS is where tests/kubernetes/build
# has put the programs. Pods are namespaces, as in the end-to-end tests.
# shellcheck source=tests/kubernetes/control_plane.sh
. tests/kubernetes/control_plane.sh
PROGRAMS=${PROGRAMS:?the folder that tests/kubernetes/build has filled}
PLANE=$SANDBOX/plane
export PATIENCE=120

kube() { "$PROGRAMS/kubectl" --kubeconfig "$PLANE/admin.kubeconfig" --cache-dir "$PLANE/cache" "$@"; }
say() { printf '%4s s  %s\n' "$SECONDS" "$*"; }

# cluster_define FILE...: the kinds that the files define.
cluster_define() {
    local file
    for file; do
        kube apply --server-side -f "$file" >/dev/null
    done
    kube wait --for=condition=Established crd --all >/dev/null
}
cluster_has_account() { kube get serviceaccount default; }
cluster_open() {
    plane_start
    cluster_define "$PROGRAMS/istio-crds.yaml"
    # Of what is installed, the rights alone.
    awk 'BEGIN { RS = "---\n"; ORS = RS }
        /(^|\n)kind: (Namespace|ServiceAccount|(Cluster)?Role(Binding)?)\n/' deploy/vsplit.yaml |
        kube apply -f - >/dev/null
    kube create -f - <<<'{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1"}}' >/dev/null
    sandbox_await "namespace default has its service account" cluster_has_account
}

# token NAME: a token of the agent that is good as long as the Secret NAME.
token() {
    kube -n vsplit-system create secret generic "$1" >/dev/null
    kube -n vsplit-system create token vsplit-agent --duration=1h --bound-object-kind Secret \
        --bound-object-name "$1"
}
# agent_rights: the agents' kubeconfig, with the first token.
agent_rights() {
    token token-1 >"$PLANE/token"
    plane_kubeconfig "$PLANE/agent.kubeconfig" "tokenFile: $PLANE/token"
}
start_first() { sandbox_agent --kubeconfig "$PLANE/agent.kubeconfig" --node node-1; }

# programmed RULE TIME: kubectl wait returns within the time, since the rule is in force as it is now.
programmed() { kube wait --for=condition=Programmed "vs/$1" --timeout="$2" >/dev/null 2>&1; }
# The server is followed and told: no request is in trouble.
is_well() {
    local status
    status=$(vsplit status) || return 1
    ! grep -qE '^  [^:]*: (HTTP status|connect: |read: |write: |TLS: |not all objects)' <<<"$status"
}

# stop SIGNAL PID
stop() {
    kill "-$1" "$2"
    wait "$2" 2>/dev/null || true
}
