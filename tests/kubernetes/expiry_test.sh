#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An agent that is stopped and cut off while more changes than the server remembers: it is told so
# (410, "too old resource version"), lists anew, and in the meantime what was in force stays.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/example.sh
. tests/kubernetes/example.sh
services=40 endpoints=4

# has_expired COLLECTION: the agent has listed anew, as what it asked for was forgotten.
has_expired() {
    grep -qE "cluster_listed_anew collection=\"?$1\"? expired=\"?[1-9]" "$SANDBOX/vsplitd.log"
}
# forget: the server keeps of each object what it is now, and nothing of how it came to be so.
forget() {
    local revision
    revision=$(kube get --raw '/api/v1/pods?limit=1' | grep -oE '"resourceVersion":"[0-9]+"' | head -n 1)
    curl -s --fail -o /dev/null -d '{"revision": "'"${revision//[^0-9]/}"'", "physical": true}' \
        "http://127.0.0.1:$PLANE_ETCD_PORT/v3/kv/compaction"
}
# is_cut: ends the agent's connections to the server, and those of others, who come back.
is_cut() {
    ss -K state established "dport = :$PLANE_PORT"
    ! ss -Htnp state established "dport = :$PLANE_PORT" | grep "pid=$AGENT,"
}
churn() { load churn --services $services --endpoints $endpoints --for "$1"; }
delete() {
    kube -n team-00 delete vs/service-00000 dr/service-00000 service/service-00000 \
        endpointslice/service-00000-x7k2p >/dev/null
    kube -n team-00 delete --force --grace-period=0 pods -l app.kubernetes.io/name=service-00000 >/dev/null 2>&1
}
has_cluster() { vsplit get image | grep -q "outbound|80|safe|service-00000\.team-00\."; }

say "the control plane starts"
# Without a cache in front of etcd what is compacted is gone for watches, too.
PLANE_FLAGS=(--watch-cache-sizes 'pods#0,endpointslices.discovery.k8s.io#0')
example_open
load fill --services $services --endpoints $endpoints --pods $((services * endpoints)) --rules $services
load compare --socket "$VSPLIT_SOCKET" --within 60s
set_weights 70
programmed "$rule" 60s || sandbox_fail "weights of 70 are not Programmed"
has_cluster || sandbox_fail "the cluster that is to be deleted is not there"
connect_all_the_time &
CLIENT=$!
sandbox_await "connections have begun" test -s "$SANDBOX/splits"

# ---- cut off, and compacted ---------------------------------------------------------------------

kill -STOP "$AGENT"
churn 3s
delete
forget
sandbox_await "the agent is cut off" is_cut
more_connections 5
kill -CONT "$AGENT"
sandbox_await "the agent is told that Pods are forgotten" has_expired 'pods in team-01'
sandbox_await "and EndpointSlices" has_expired endpointslices
load compare --socket "$VSPLIT_SOCKET" --within 60s
! has_cluster || sandbox_fail "what was deleted is still there"
sandbox_await "the agent is well" is_well
more_connections 5
say "cut off while etcd was compacted, the agent has listed anew"

# ---- the server itself is another ---------------------------------------------------------------

kill -STOP "$AGENT"
churn 3s
kube -n team-01 patch vs service-00001 --type json \
    -p '[{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 55}]' >/dev/null
plane_kill kube-apiserver
plane_start_server
more_connections 5
kill -CONT "$AGENT"
sandbox_await "the agent is told that VirtualServices are forgotten" has_expired virtualservices
load compare --socket "$VSPLIT_SOCKET" --within 60s
vsplit get vs service-00001 -n team-01 -o json | grep -qE '"weight": *55\b' || sandbox_fail "no weight of 55"
sandbox_await "the agent is well" is_well
more_connections 5
touch "$SANDBOX/enough"
wait "$CLIENT"
expect_text "each ten connections" 'risky 3 safe 7 ' "$(sort -u "$SANDBOX/splits")"
say "$(chunks)0 connections, none wrong, none refused"
