#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An unmodified kubectl against the agent: what it prints, and what is in force afterwards. Another
# kubectl than the one in PATH: KUBECTL=/path/to/kubectl.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

KUBECTL=${KUBECTL:-$(command -v kubectl || true)}
[ -n "$KUBECTL" ] || sandbox_fail "there is no kubectl: scripts/setup --test installs it (kubernetes-client)"
KUBE_PORT=$(shuf -n 1 -i 20000-29999)
export KUBECONFIG=$SANDBOX/kubeconfig HOME=$SANDBOX # kubectl keeps what it has read in HOME
k() { "$KUBECTL" "$@"; }

sandbox_fleetman
sandbox_agent --observe=on
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
name=fleetman-staff-service
host=$name.default.svc.cluster.local

# Who may ask.
expect_text "mode of the kubeconfig" 640 "$(stat -c %a "$KUBECONFIG")"
expect_text "mode of the key" 600 "$(stat -c %a "$SANDBOX/kube.pem")"
expect_line "status" "kubectl: +export KUBECONFIG=$KUBECONFIG" "$(vsplit status)"
token=$(grep -o '"token": *"[^"]*"' "$KUBECONFIG" | cut -d'"' -f4)
expect_line "a wrong token" '.*You must be logged in to the server.*' \
    "$(k --token=wrong get vs 2>&1 || true)"
expect_text "tokens in the log" 0 "$(grep -cF -e "$token" "$SANDBOX/vsplitd.log" || true)"

# As the user who calls it: no secret in the kubeconfig, tokens by the Unix socket, names in the log.
vsplit kubeconfig >"$SANDBOX/own"
expect_text "secrets in it" 0 "$(grep -c 'token:' "$SANDBOX/own" || true)"
sed 's/fleetman-staff-service/other/' deploy/examples/virtual-service-plain.yaml >"$SANDBOX/other.yaml"
expect_line "apply" 'virtualservice.networking.istio.io/other created' \
    "$(k --kubeconfig "$SANDBOX/own" apply -f "$SANDBOX/other.yaml" 2>/dev/null)"
expect_line "log" '<6>event=applied user=root generation=[0-9]+ object="VirtualService default/other" .*' \
    "$(cat "$SANDBOX/vsplitd.log")"
k delete -f "$SANDBOX/other.yaml" >/dev/null
expect_line "log" '<6>event=applied user=system:kubeconfig .*' "$(cat "$SANDBOX/vsplitd.log")"

# What there is.
expect_line "version" 'Server Version: .*v1\.32\.0\+vsplit\..*' "$(k version 2>/dev/null)"
expect_line "api-resources" 'virtualservices +vs +networking.istio.io/v1 +true +VirtualService' \
    "$(k api-resources)"
expect_text "api-versions" 'authentication.k8s.io/v1
authorization.k8s.io/v1
discovery.k8s.io/v1
networking.istio.io/v1
networking.istio.io/v1alpha3
networking.istio.io/v1beta1
v1' "$(k api-versions)"
expect_line "explain" ' +Needs the request, not enforced\.' "$(k explain virtualservice.spec.http.mirror)"
expect_line "explain" ' +weight.*<integer>' "$(k explain virtualservice.spec.http.route)"

# Tables.
expect_line "get vs" "$name +\[\"$host\"\] +safe:90,risky:10 +True +[0-9]+s" "$(k get vs)"
expect_line "get vs -o wide" "$name .* Approximated" "$(k get virtualservices -o wide)"
expect_line "get dr" "$name +$host +safe,risky +[0-9]+s" "$(k get dr)"
expect_line "get svc -A" "default +$name +ClusterIP +10\.96\.0\.7 +<none> +80/TCP +[0-9]+s" "$(k get svc -A)"
expect_line "get by version" "$name .*" "$(k get virtualservices.v1alpha3.networking.istio.io)"
expect_text "get -o name" "virtualservice.networking.istio.io/$name" "$(k get vs -o name)"
expect_text "get -o jsonpath" 90 "$(k get vs "$name" -o 'jsonpath={.spec.http[0].route[0].weight}')"
expect_text "get -l" 3 "$(k get pods -l version=safe -o name | wc -l)"
expect_text "get --field-selector" 1 "$(k get pods --field-selector metadata.name=fleetman-safe-1 -o name | wc -l)"
expect_text "get in pieces" 4 "$(k get pods --chunk-size=1 -o name | wc -l)"
expect_line "sorted" 'fleetman-safe-3 .*' "$(k get pods --sort-by=.metadata.name | tail -n 1)"
expect_run 1 'Error from server (NotFound): virtualservices.networking.istio.io "none" not found' \
    k get vs none
expect_run 1 'error: the server doesn'\''t have a resource type "nosuch"' k get nosuch
expect_line "describe" 'Name: +'"$name" "$(k describe vs "$name")"

# Watches.
: >"$SANDBOX/events"
k get vs "$name" -w --output-watch-events >"$SANDBOX/events" &
watching=$!
sandbox_await "the watch says something" grep -q ADDED "$SANDBOX/events"
sed 's/weight: 90/weight: 50/; s/weight: 10/weight: 50/' deploy/examples/fleetman.yaml >"$SANDBOX/even.yaml"
vsplit apply -f "$SANDBOX/even.yaml" >/dev/null 2>&1
k delete vs "$name" >/dev/null
sandbox_await "the watch sees the deletion" grep -q DELETED "$SANDBOX/events"
kill $watching
wait $watching 2>/dev/null || true
expect_text "events" 'ADDED
MODIFIED
DELETED' "$(awk '$1 ~ /^[A-Z]+$/ && $1 != "EVENT" { print $1 }' "$SANDBOX/events")"

# Writing.
awk 'BEGIN { RS = "---\n" } /kind: VirtualService/' deploy/examples/fleetman.yaml >"$SANDBOX/rule.yaml"
expect_line "apply" "virtualservice.networking.istio.io/$name created" "$(k apply -f "$SANDBOX/rule.yaml" 2>/dev/null)"
expect_text "90 and 10 of 100" 'risky 10
safe 90' "$(split_of 100)"
expect_text "apply again" "virtualservice.networking.istio.io/$name unchanged" "$(k apply -f "$SANDBOX/rule.yaml" 2>/dev/null)"
sed 's/weight: 10/weigth: 10/' "$SANDBOX/rule.yaml" >"$SANDBOX/wrong.yaml"
expect_line "a misspelt field" '.*unknown field.*weigth.*' "$(k apply -f "$SANDBOX/wrong.yaml" 2>&1 || true)"
expect_run 0 "virtualservice.networking.istio.io \"$name\" deleted" k delete -f "$SANDBOX/rule.yaml"
expect_text "objects left" '' "$(k get vs -o name)"

# What the agent says of a rule changes without a write of the rule: who waits hears of it.
k apply -f "$SANDBOX/rule.yaml" >/dev/null 2>&1
k delete svc,dr "$name" >/dev/null
expect_text "without its Service" False \
    "$(k get vs "$name" -o 'jsonpath={.status.conditions[?(@.type=="Enforced")].status}')"
: >"$SANDBOX/events"
k get events -w --output-watch-events --no-headers >"$SANDBOX/events" &
watching=$!
k wait vs "$name" --for=condition=Enforced --timeout=60s >"$SANDBOX/waited" &
waiting=$!
tries=0
until grep -q ADDED "$SANDBOX/events"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || sandbox_fail "the watch of events says nothing"
    sleep 0.1
done
k apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
wait $waiting || sandbox_fail "the wait for the condition failed"
expect_text "waited" "virtualservice.networking.istio.io/$name condition met" "$(cat "$SANDBOX/waited")"
until grep -q "MODIFIED.*Approximated" "$SANDBOX/events"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || sandbox_fail "the watch of events does not hear of it: $(cat "$SANDBOX/events")"
    sleep 0.1
done
kill $watching
wait $watching 2>/dev/null || true
before=$(k get vs "$name" -o 'jsonpath={.metadata.resourceVersion}')

# Nothing of it outlives the agent.
kill $AGENT
wait $AGENT 2>/dev/null || true
expect_text "kubeconfig" gone "$([ -e "$KUBECONFIG" ] && echo there || echo gone)"

# Tokens expire.
sandbox_agent --observe=on --token-lifetime 1
expect_text "version after a start" "$before" "$(k get vs "$name" -o 'jsonpath={.metadata.resourceVersion}')"
tries=0
until # one that is good for a second, however long the machine takes for it
    issued=$(vsplit token | grep -o '"token":"[^"]*"' | cut -d'"' -f4)
    k --token="$issued" get ns >/dev/null 2>&1
do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || sandbox_fail "no token is good"
done
while k --token="$issued" get ns >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 1000 ] || sandbox_fail "the token does not expire"
done
expect_line "an old token" '.*You must be logged in to the server.*' \
    "$(k --token="$issued" get vs 2>&1 || true)"
expect_text "tokens in the log" 0 "$(grep -cF -e "$issued" "$SANDBOX/vsplitd.log" || true)"
