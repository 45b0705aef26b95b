#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What get, top, status, explain, analyze and the completion show while the canary runs.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

sandbox_fleetman
sandbox_agent --observe=on
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
expect_text "100 connections" 'risky 10
safe 90' "$(split_of 100)"
host=fleetman-staff-service.default.svc.cluster.local

expect_line "get vs" "fleetman-staff-service +\[\"$host\"\] +[0-9]+s" "$(vsplit get vs)"
expect_line "get vs -o wide" "fleetman-staff-service .* safe:90,risky:10" "$(vsplit get vs -o wide)"
expect_line "get svc -A" 'default +fleetman-staff-service +ClusterIP +10\.96\.0\.7 +80/TCP +[0-9]+s' "$(vsplit get svc -A)"
expect_line "get pods" 'fleetman-risky-1 +Running +10\.1\.0\.21 +[0-9]+s' "$(vsplit get po)"
expect_text "get -o name" virtualservice.networking.istio.io/fleetman-staff-service "$(vsplit get vs -o name)"
expect_line "get -o yaml" '  uid: [0-9a-f-]{36}' "$(vsplit get vs fleetman-staff-service -o yaml)"
expect_line "get -o json" '    "kind": "VirtualService",' "$(vsplit get vs/fleetman-staff-service -o json)"
# What get prints can be applied again.
vsplit get vs,dr,svc,endpointslices,pods -o json >"$SANDBOX/all.json"
expect_text "apply what get gave" 8 "$(vsplit apply -f "$SANDBOX/all.json" 2>/dev/null | grep -c ' unchanged$')"

image=$(vsplit get image)
expect_line "get image" "frontend 10\.96\.0\.7:80/tcp $host" "$image"
expect_line "get image" "    cluster outbound\|80\|safe\|$host weight 9 least_request" "$image"
expect_line "get endpoints" "10\.96\.0\.7:80 +outbound\|80\|risky\|$host +10\.1\.0\.21:8080 +default/fleetman-risky-1 +10 +0 +0 .*" "$(vsplit get endpoints)"

top=$(vsplit top --once)
expect_line "top" '  safe +90\.0 % +90\.0 % +\S+ +90 +0 +0 +0' "$top"
expect_line "top" '  risky +10\.0 % +10\.0 % +\S+ +10 +0 +0 +0' "$top"
# Over an interval, while connections are made: within one connection of the target.
vsplit top --once --interval 2 >"$SANDBOX/measured" &
measuring=$!
while kill -0 $measuring 2>/dev/null; do
    expect_text "50 connections while top measures" 'risky 5
safe 45' "$(split_of 50)"
done
wait $measuring
expect_line "top over an interval" '  safe +90\.0 % +(8[89]|9[012])\.[0-9] % +(89|90)\.[0-9] % .*' "$(cat "$SANDBOX/measured")"
expect_text "top of another host" 1 "$(vsplit top --once nothing | grep -c 'No route')"

status=$(vsplit status)
expect_line "status" 'Splitting: +yes' "$status"
expect_line "status" "Cgroup: +$CGROUP" "$status"
for program in connect4 connect6 getpeer4 getpeer6 sockops release; do
    expect_line "status: programs" "  vsplit_$program +yes +[0-9]+ +$PINS/.*" "$status"
done
expect_line "status: rules" "  VirtualService default/fleetman-staff-service spec\.http\[0\] +$host:80 +approximated +.*" "$status"
expect_line "status: split" '  risky +10\.0 % +10\.0 % .*' "$status"

explained=$(vsplit explain --from default/fleetman-safe-1 --to "$host:80")
expect_line "explain" '.*VirtualService default/fleetman-staff-service.*' "$explained"
expect_line "explain" ".*outbound\|80\|(safe|risky)\|$host.*" "$explained"

# What does not fit together, as the agent has it and as its files do.
expect_line "analyze" "Info \\[VSPLIT02\\] \\(VirtualService default/fleetman-staff-service\\) .*per connection.*" "$(vsplit analyze)"
awk 'BEGIN { RS = "---\n" } /kind: VirtualService/' deploy/examples/fleetman.yaml >"$SANDBOX/rule.yaml"
sed 's/subset: risky/subset: nowhere/' "$SANDBOX/rule.yaml" >"$SANDBOX/broken.yaml"
vsplit apply -f "$SANDBOX/broken.yaml" >/dev/null 2>&1
status=0
found=$(vsplit analyze -o json 2>/dev/null) || status=$?
expect_text "exit status of analyze with an error" 1 "$status"
expect_line "analyze in JSON" '\{"code":"IST0101","level":"Error","object":"VirtualService default/fleetman-staff-service",.*nowhere.*' "$found"
fleetman_without_rule >"$SANDBOX/both.yaml"
echo --- | cat - "$SANDBOX/broken.yaml" >>"$SANDBOX/both.yaml"
expect_text "analyze of the same files" "$found" "$(vsplit analyze -f "$SANDBOX/both.yaml" -o json 2>/dev/null || true)"
vsplit apply -f "$SANDBOX/rule.yaml" >/dev/null 2>&1

# Completion knows commands, kinds and names.
complete_words() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _vsplit
    printf '%s\n' "${COMPREPLY[@]}"
}
# shellcheck source=/dev/null
. <(vsplit completion bash)
expect_text "completion of commands" status "$(complete_words vsplit st)"
expect_text "completion of names" fleetman-staff-service "$(complete_words vsplit get vs fl)"
expect_text "completion of options" --dry-run "$(complete_words vsplit apply --d)"

vsplit delete vs fleetman-staff-service >/dev/null
expect_line "without the rule" "    cluster outbound\|80\|\|$host weight 1 least_request" "$(vsplit get image)"
