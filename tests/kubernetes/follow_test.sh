#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Agents of two nodes that follow a real API server with the least rights; scripts/test-kubernetes
# runs it, with PROGRAMS. Pods are namespaces, as in the end-to-end tests.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/example.sh
. tests/kubernetes/example.sh
OUTAGE=${OUTAGE:-60} # seconds without the API server

# ---- the agents ---------------------------------------------------------------------------------

start_second() {
    mkdir -p "$SANDBOX/two" "$CGROUP/two"
    vsplitd --socket "$SANDBOX/two/vsplit.sock" --state "$SANDBOX/two/objects.db" --pins "$PINS-two" \
        --cgroup "$CGROUP/two" --kube-port 0 --kubeconfig "$PLANE/agent.kubeconfig" --node node-2 \
        >>"$SANDBOX/two.log" 2>&1 &
    SECOND=$!
    echo $SECOND >>"$SANDBOX/pids"
    sandbox_await "the second agent serves" vsplit --socket "$SANDBOX/two/vsplit.sock" version
}
holder() { kube -n vsplit-system get lease vsplit-status -o jsonpath='{.spec.holderIdentity}'; }
held_by() { [[ $(holder) == "$1"_* ]]; }
condition() { kube get vs "$1" -o jsonpath="{.status.conditions[?(@.type==\"$2\")].$3}"; }

close_all() {
    [ -z "${SECOND:-}" ] || stop KILL "$SECOND" 2>/dev/null || true
    vsplitd uninstall --pins "$PINS-two" >/dev/null 2>&1 || true
    rmdir "$CGROUP/two" 2>/dev/null || true
    example_close
}
trap close_all EXIT

say "the control plane starts"
example_open

# ---- a rule comes into force, and kubectl wait says when ----------------------------------------

expect_text "90 and 10 of 100" 'risky 10
safe 90' "$(split_of 100)"
expect_text "who writes" node-1 "$(holder | sed 's/_.*//')"
expect_text "Accepted" True "$(condition $rule Accepted status)"
expect_text "Enforced" True "$(condition $rule Enforced status)"
say "a rule is in force, with its status"

for safe in 10 70 0 50 100 30 80 20 60 40; do
    set_weights $safe
    programmed $rule 60s || sandbox_fail "weights of $safe are not Programmed"
    expect_text "$safe of 100 to safe, once kubectl wait has returned" "$(of_ten $safe)" "$(split_of 10)"
done
say "kubectl wait has returned ten times when the weights were in force"

# A generation that is not in force is not waited for in vain.
kill -STOP "$AGENT"
set_weights 70
! programmed $rule 2s || sandbox_fail "Programmed, and nobody is there who could have done it"
kill -CONT "$AGENT"
programmed $rule 60s || sandbox_fail "not Programmed by an agent that was stopped and goes on"
say "kubectl wait does not return before"

# From the server's answer to the kernel. Printed, never a reason to fail.
change() { plane_merge "/apis/networking.istio.io/v1/namespaces/default/virtualservices/$rule" "$(weights "$1")"; }
times=
for safe in 11 22 33 44 15 26 37 48 19 70; do
    change $safe
    answered=$(date +%s%N)
    patience=$((SECONDS + PATIENCE))
    until has_weight $safe; do
        [ $SECONDS -lt $patience ] || sandbox_fail "no weight of $safe"
    done
    times+=" $((($(date +%s%N) - answered) / 1000000))"
done
say "in force after the server's answer, in ms:$times"

# ---- the status is shared -----------------------------------------------------------------------

kube patch vs "$rule" --subresource=status --type merge \
    -p '{"status":{"conditions":[{"type":"Reconciled","status":"True"}]}}' >/dev/null
programmed $rule 60s || sandbox_fail "the conditions have not come back"
expect_text "another's condition" True "$(condition $rule Reconciled status)"

# What the definition allows and the agent cannot take is refused, with a reason.
kube apply -f - <<'Y' >/dev/null
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bad}
spec:
  hosts: [fleetman-staff-service.default.svc.cluster.local]
  http: [{match: [{uri: {regex: "("}}], route: [{destination: {host: fleetman-staff-service}}]}]
Y
kube wait --for=condition=Accepted=false vs/bad --timeout=60s >/dev/null
has_event() { kube describe vs bad | grep -qE 'Warning +Refused .*regex'; }
sandbox_await "kubectl describe shows the Event" has_event
kube delete vs bad >/dev/null
say "conditions of others stay, and a refused rule has a condition and an Event"

# ---- two agents, one writer ---------------------------------------------------------------------

start_second
expect_text "who writes" node-1 "$(holder | sed 's/_.*//')"
stop KILL "$AGENT"
killed=$SECONDS
sandbox_await "the second agent has taken over" held_by node-2
say "killed, the first agent is followed by the second after $((SECONDS - killed)) s"
set_weights 20
programmed $rule 60s || sandbox_fail "not Programmed by the second agent"
start_first
sandbox_await "the first agent has followed" has_weight 20
stop TERM "$SECOND"
! held_by node-2 || sandbox_fail "the second agent has not given the Lease back"
sandbox_await "the first agent has taken over" held_by node-1
say "stopped, the second agent gives the Lease back at once"

# ---- without the server -------------------------------------------------------------------------

set_weights 70
programmed $rule 60s || sandbox_fail "weights of 70 are not Programmed"
old_token=$(cat "$PLANE/token")
token token-2 >"$PLANE/token.new"
connect_all_the_time &
CLIENT=$!
sandbox_await "connections have begun" test -s "$SANDBOX/splits"
mv "$PLANE/token.new" "$PLANE/token"
kube -n vsplit-system delete secret token-1 >/dev/null
plane_kill kube-apiserver
died=$SECONDS
more_connections 5
stop KILL "$AGENT"
more_connections 5
start_first
sandbox_await "the outage lasts" eval "[ \$SECONDS -ge $((died + OUTAGE)) ]"
more_connections 5
! is_well || sandbox_fail "the agent does not say that the server is away"
plane_start_server
sandbox_await "the agent has the server back" is_well
more_connections 5
touch "$SANDBOX/enough"
wait "$CLIENT"
expect_text "each ten connections, without the server and without the agent" 'risky 3 safe 7 ' \
    "$(sort -u "$SANDBOX/splits")"
say "$(chunks)0 connections in and after $OUTAGE s without the server, none wrong, none refused"

expect_text "the old token" 401 "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$PLANE/ca.crt" \
    -H "Authorization: Bearer $old_token" "https://127.0.0.1:$PLANE_PORT/api")"
set_weights 40
programmed $rule 120s || sandbox_fail "not Programmed with another token"
expect_text "the new weights" "$(of_ten 40)" "$(split_of 10)"
say "the agent goes on with another token"

# ---- rights -------------------------------------------------------------------------------------

may() { kube auth can-i --as=system:serviceaccount:vsplit-system:vsplit-agent "$@" || true; }
for refused in 'get secrets' 'get virtualservices.networking.istio.io' 'update nodes' \
    'update virtualservices.networking.istio.io' 'list configmaps' 'list leases.coordination.k8s.io'; do
    # shellcheck disable=SC2086 # two words
    expect_text "$refused" no "$(may $refused 2>/dev/null)"
done
is_well || sandbox_fail "the rights of deploy/vsplit.yaml are too few: $(vsplit status)"

# Without the right to write, the rules are in force all the same.
kube get clusterrole vsplit-agent -o json >"$SANDBOX/role.json"
sed -i 's/"patch"/"list"/' "$SANDBOX/role.json"
kube replace -f "$SANDBOX/role.json" >/dev/null
cannot_write() { [ "$(may patch virtualservices.networking.istio.io --subresource=status 2>/dev/null)" = no ]; }
sandbox_await "the right is gone" cannot_write
set_weights 80
sandbox_await "the weights are in force" has_weight 80
expect_text "weights without status" "$(of_ten 80)" "$(split_of 10)"
says_forbidden() { vsplit status | grep -qE 'status of rules in the cluster: HTTP status 403: .*stay in force'; }
sandbox_await "vsplit status says that the status cannot be written" says_forbidden
expect_text "how often the log says so" 1 "$(grep -c 'cluster_not_told.*what="\?status' "$SANDBOX/vsplitd.log")"
say "without rights to write the rules are in force"
