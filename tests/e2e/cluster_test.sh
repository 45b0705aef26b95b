#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An agent that takes its objects from an API server. The server is another agent: it speaks the same
# protocol, and splits a cgroup that nobody is in.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

name=fleetman-staff-service
api=$SANDBOX/api
mkdir "$api" "$CGROUP/api"
server_port=$(shuf -n 1 -i 20000-29999)

# The agent that is the server.
start_server() {
    vsplitd --socket "$api/vsplit.sock" --state "$api/objects.db" --pins "$PINS-api" \
        --cgroup "$CGROUP/api" --kube-port "$server_port" >>"$SANDBOX/api.log" 2>&1 &
    SERVER=$!
    echo $SERVER >>"$SANDBOX/pids"
    sandbox_await "the server answers" vsplit --socket "$api/vsplit.sock" version
}
on_server() { vsplit --socket "$api/vsplit.sock" "$@"; }

# The agent under test.
start_agent() { sandbox_agent --observe=on --kubeconfig "$api/kubeconfig" --node node-1 "$@"; }
stop() {
    kill -KILL "$1"
    wait "$1" 2>/dev/null || true
}

has_weight() { vsplit get vs "$name" -o json | grep -qE "\"weight\": *$1\b"; }
has_no_rule() { ! vsplit get vs "$name"; }
close_both() {
    [ -z "${SERVER:-}" ] || stop "$SERVER" 2>/dev/null || true
    vsplitd uninstall --pins "$PINS-api" >/dev/null 2>&1 || true
    rmdir "$CGROUP/api" 2>/dev/null || true
    sandbox_close
}
trap close_both EXIT

sandbox_fleetman
start_server
on_server apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
start_agent --max-endpoints 16
sandbox_await "the server's objects are in force" has_weight 90
expect_text "90 and 10 of 100" 'risky 10
safe 90' "$(split_of 100)"

# A change there is a change here.
sed 's/weight: 90/weight: 50/; s/weight: 10/weight: 50/' deploy/examples/fleetman.yaml >"$SANDBOX/even.yaml"
on_server apply -f "$SANDBOX/even.yaml" >/dev/null 2>&1
sandbox_await "the new weights are in force" has_weight 50
expect_text "50 and 50 of 100" 'risky 50
safe 50' "$(split_of 100)"

# What does not fit here holds up nothing else, is said, and tried until it fits.
many() {
    cat <<'Y'
{apiVersion: v1, kind: Service, metadata: {name: many}, spec: {clusterIP: 10.96.77.1, ports: [{name: tcp, port: 80}]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: many},
 spec: {hosts: [many], tcp: [{route: [{destination: {host: many}}]}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{name: tcp, port: 80}],
Y
    echo " metadata: {name: many-1, labels: {kubernetes.io/service-name: many}}, endpoints: ["
    seq -f '  {addresses: [10.1.77.%g]},' "$1"
    echo ' ]}'
}
does_not_fit() { vsplit status | grep -qE '^  [A-Z][A-Za-z]* default/many(-1)?: .*full'; }
fits() { ! does_not_fit && vsplit get image | grep -q 10.1.77.3; }
{
    many 200
    echo ---
    cat deploy/examples/fleetman.yaml
} >"$SANDBOX/many.yaml"
on_server apply -f "$SANDBOX/many.yaml" >/dev/null 2>&1
sandbox_await "vsplit status says what does not fit" does_not_fit
expect_text "90 and 10 beside what does not fit" 'risky 10
safe 90' "$(split_of 100)"
many 3 | on_server apply -f - >/dev/null 2>&1
sandbox_await "what fits is in force" fits
on_server delete svc,endpointslice,vs -n default many many-1 >/dev/null 2>&1 || true
on_server apply -f "$SANDBOX/even.yaml" >/dev/null 2>&1
sandbox_await "the new weights are in force" has_weight 50

# The server has no Leases, so that nobody writes the status of rules there. That is all that is amiss.
says_no_lease() {
    vsplit status | grep -qE '^  Lease in the cluster: HTTP status 404: .*; the rules stay in force$'
}
sandbox_await "vsplit status says that there is no Lease" says_no_lease

# Here the objects are read only, but for trying.
expect_line "apply" 'Error from server \(Forbidden\): .*change the objects there' \
    "$(vsplit apply -f deploy/examples/fleetman.yaml 2>&1 || true)"
vsplit apply --dry-run -f deploy/examples/fleetman.yaml >/dev/null 2>&1

# Without the server everything holds, for an agent that starts then too.
stop "$SERVER"
expect_text "50 and 50 without the server" 'risky 50
safe 50' "$(split_of 100)"
stop "$AGENT"
expect_text "50 and 50 without both" 'risky 50
safe 50' "$(split_of 100)"
start_agent
expect_text "50 and 50 with a new agent" 'risky 50
safe 50' "$(split_of 100)"
expect_line "status" '.*virtualservices.*connect: .*' "$(vsplit status)"
expect_run 0 ok vsplit health
expect_run 1 'Error from server (ServiceUnavailable): not ready: the API server'\''s objects are not in force: not all objects are known; the last ones hold' \
    vsplit health --ready

# Without a cluster to follow what it had holds, and says whose it is.
stop "$AGENT"
sandbox_agent --observe=on --node node-1
expect_line "status without a cluster" ' *kubernetes: the objects are those of server .*:'"$server_port"' as they were last known, .*' "$(vsplit status)"
expect_text "50 and 50 without a cluster" 'risky 50
safe 50' "$(split_of 100)"

# What has gone meanwhile goes when the server is back. Its token is another one.
stop "$AGENT"
start_server
on_server delete vs "$name" >/dev/null
start_agent
sandbox_await "the rule is gone" has_no_rule
expect_text "objects left" 1 "$(vsplit get dr -o name | wc -l)"
expect_run 0 ok vsplit health --ready

# What is applied here is no cluster's, and is not taken away by one unless that is wanted.
stop "$AGENT"
sandbox_agent --observe=on --node node-1
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
stop "$AGENT"
start_agent
says_whose() { vsplit status | grep -q 'kubernetes: the state file holds objects of no cluster, and this is server '; }
sandbox_await "the agent says whose the objects are" says_whose
expect_text "90 and 10 of its own" 'risky 10
safe 90' "$(split_of 100)"
stop "$AGENT"
start_agent --replace-state
sandbox_await "the rule is gone" has_no_rule
