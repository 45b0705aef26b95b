#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods of the node are told apart by their cgroups: each connects as its rules say, and explain says
# what a real connection then does.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

WEB=$CGROUP/web
close_all() {
    rmdir "$WEB" 2>/dev/null || true
    sandbox_close
}
trap close_all EXIT

# The names that answer COUNT connections of the pod default/web, those of a subset together.
split_of_web() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    sh -c 'echo $$ >"$1/cgroup.procs" && exec ip netns exec "$2" pod connect 10.96.0.7:80 "$3"' \
        sh "$WEB" "$NAME-client" "$1" |
        awk '{ sub(/-[0-9]+$/, "", $2); sum[$2] += $1 } END { for (name in sum) print name, sum[name] }' |
        sort
}

web_pod() {
    cat <<EOF
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: default
  labels: {app: $1}
  annotations: {vsplit.io/cgroup: $NAME/web}
EOF
}

sandbox_fleetman
sandbox_agent --node=n1
fleetman_without_rule >"$SANDBOX/service.yaml"
vsplit apply -f "$SANDBOX/service.yaml" >/dev/null 2>&1
web_rule 0 1 | vsplit apply -f - >/dev/null 2>&1
web_pod web | vsplit apply -f - >/dev/null 2>&1
expect_line "a pod without a cgroup" \
    '  no cgroup was found of default/web: it gets the routes for everyone' "$(vsplit status)"

mkdir "$WEB"
has_pod() { vsplit status | grep -q '^Pods: *1 of this node'; }
sandbox_await "the pod's cgroup is noticed" has_pod

expect_text "connections of the pod" 'risky 20' "$(split_of_web 20)"
expect_text "connections of everyone else" 'safe 20' "$(split_of 20)"
expect_line "image" '  source default/web' "$(vsplit get image)"

to=fleetman-staff-service:80
explained=$(vsplit explain --from default/web --to $to)
expect_line "explain for the pod" '.* from default/web \(source class: default/web\)' "$explained"
expect_line "the rule that decides for the pod" \
    '  decided by VirtualService default/fleetman-staff-service spec\.http\[0\]: .*' "$explained"
expect_line "explain for the pod" '    next: .* goes to 10\.1\.0\.21:8080 \(default/fleetman-risky-1\) of .*' "$explained"
explained=$(vsplit explain --from default/fleetman-safe-1 --to $to)
expect_line "explain for another" '.* \(source class: everyone\)' "$explained"
expect_line "the rule that decides for another" \
    '  decided by VirtualService default/fleetman-staff-service spec\.http\[1\]: .*' "$explained"
expect_line "the rule that is passed over" \
    '  passed over VirtualService default/fleetman-staff-service spec\.http\[0\]: not enforced, .*' "$explained"
expect_line "explain for another" '    next: .* goes to 10\.1\.0\.1[123]:8080 .*' "$explained"

# What explain says comes next is what a connection then does.
web_rule 1 1 | vsplit apply -f - >/dev/null 2>&1
for _ in 1 2 3 4 5 6; do
    said=$(vsplit explain --from default/web --to $to | grep -oE 'fleetman-(safe|risky)-[0-9]+\) of' |
        grep -oE 'safe|risky')
    expect_text "the next connection" "$said 1" "$(split_of_web 1)"
done

# Other labels are another source.
web_pod other | vsplit apply -f - >/dev/null 2>&1
expect_text "connections after other labels" 'safe 10' "$(split_of_web 10)"

conditions=$(vsplit get vs fleetman-staff-service -o json)
expect_line "conditions" ' *"type": "Enforced",' "$conditions"
expect_line "conditions" ' *"reason": "PartlyEnforced",' "$conditions"

# Without the pod its cgroup is nobody's.
vsplit delete pod web >/dev/null
expect_line "status without the pod" 'Pods: *0 of this node' "$(vsplit status)"
