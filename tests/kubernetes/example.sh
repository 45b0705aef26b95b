# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The example in a cluster, to be sourced by a test after tests/e2e/expect.sh: its Service and rules,
# Pods that are namespaces, and an agent on node-1 that follows the server with the least rights.
# shellcheck source=tests/kubernetes/cluster.sh
. tests/kubernetes/cluster.sh
rule=fleetman-staff-service

# ---- the cluster's objects ----------------------------------------------------------------------

# pod NAME ADDRESS VERSION: as the kubelet of node-1 would leave it.
pod_object() {
    kube apply -f - <<Y >/dev/null
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: staff-service, version: $3}}
spec: {nodeName: node-1, containers: [{name: main, image: none}]}
Y
    kube patch pod "$1" --subresource=status --type merge -p \
        '{"status":{"phase":"Running","podIP":"'"$2"'","podIPs":[{"ip":"'"$2"'"}],
          "conditions":[{"type":"Ready","status":"True"}]}}' >/dev/null
}
has_slice() {
    [ "$(kube get endpointslices -l "kubernetes.io/service-name=$rule" \
        -o jsonpath='{.items[*].endpoints[*].conditions.ready}')" = 'true true true true' ]
}
make_objects() {
    # The Service and the rules of the example; Pods and EndpointSlices are made here.
    awk 'BEGIN { RS = "---\n"; ORS = RS } /(^|\n)kind: (Service|DestinationRule|VirtualService)\n/' \
        deploy/examples/fleetman.yaml >"$SANDBOX/objects.yaml"
    kube apply -f "$SANDBOX/objects.yaml" >/dev/null
    local pod
    for pod in safe-1:10.1.0.11 safe-2:10.1.0.12 safe-3:10.1.0.13 risky-1:10.1.0.21; do
        pod_object "fleetman-${pod%:*}" "${pod#*:}" "${pod%-*}"
    done
    sandbox_await "the Service has its EndpointSlice" has_slice
}

# weights SAFE: what the merge patch of the rule says.
weights() {
    local host=$rule.default.svc.cluster.local
    printf '{"spec":{"http":[{"route":[{"destination":{"host":"%s","subset":"safe"},"weight":%s},
        {"destination":{"host":"%s","subset":"risky"},"weight":%s}]}]}}' \
        "$host" "$1" "$host" $((100 - $1))
}
set_weights() { kube patch vs "$rule" --type merge -p "$(weights "$1")" >/dev/null; }
# The split of ten connections when SAFE of a hundred go to safe.
of_ten() {
    local safe=$(($1 / 10))
    [ $safe -eq 10 ] || echo "risky $((10 - safe))"
    [ $safe -eq 0 ] || echo "safe $safe"
}

# SAFE or the rest of it; neither may have been there before.
has_weight() { vsplit get vs "$rule" -o json | grep -qE "\"weight\": *$1\b"; }

# ---- connections --------------------------------------------------------------------------------

connect_all_the_time() {
    while [ ! -e "$SANDBOX/enough" ]; do
        split_of 10 | tr '\n' ' '
        echo
    done >"$SANDBOX/splits"
}
chunks() { wc -l <"$SANDBOX/splits"; }
# Ten more connections, or many.
more_connections() {
    local before
    before=$(chunks)
    sandbox_await "connections go on" eval "[ \$(chunks) -gt $((before + $1)) ]"
}

# ---- what the agent costs -----------------------------------------------------------------------

# memory FIELD: of the agent, in MiB.
memory() { awk -v field="$1:" '$1 == field { print int($2 / 1024) }' "/proc/$AGENT/status"; }
# Seconds of CPU that the agent has used.
used() { awk -v hertz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hertz }' "/proc/$AGENT/stat"; }

# ---- all of it ----------------------------------------------------------------------------------

# load COMMAND OPTION...: as tests/kubernetes/load has it.
load() {
    local command=$1
    shift
    "$PROGRAMS/load" "$command" --kubeconfig "$PLANE/admin.kubeconfig" "$@"
}

# Returns when the rule is in force.
example_open() {
    cluster_open
    make_objects
    sandbox_fleetman
    agent_rights
    start_first
    programmed "$rule" 120s || sandbox_fail "the rule is not Programmed after two minutes"
}
example_close() {
    [ -z "${CLIENT:-}" ] || stop TERM "$CLIENT" 2>/dev/null || true
    plane_stop
    sandbox_close
}
trap example_close EXIT
