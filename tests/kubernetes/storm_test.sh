#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A thousand changes a second on a real API server: no connection is wrong, a weight comes into force
# in time, changes are put into force many at once, and afterwards the agent has the server's picture.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/example.sh
. tests/kubernetes/example.sh
RATE=${RATE:-1000} # changes a second
STORM=${STORM:-25} # seconds
services=100 endpoints=10
changes=$((STORM / 2)) # of a weight, while it storms
changed=service-00000

# generation: how many times the agent has put something into force.
generation() { vsplit status -o json | grep -oE -m 1 '"generation": *[0-9]+' | grep -oE '[0-9]+'; }

say "the control plane starts"
example_open
load fill --services $services --endpoints $endpoints --pods $((services * endpoints)) --rules $services
load compare --socket "$VSPLIT_SOCKET" --within 60s
set_weights 70
programmed "$rule" 60s || sandbox_fail "weights of 70 are not Programmed"
say "$services Services are in force"

# ---- the storm ----------------------------------------------------------------------------------

before=$(generation) began=$SECONDS memory=$(memory VmRSS) cpu=$(used)
connect_all_the_time &
CLIENT=$!
sandbox_await "connections have begun" test -s "$SANDBOX/splits"
# Readiness of one of the Pods that are connected to changes, too: the split stays, whoever is ready.
load churn --services $services --endpoints $endpoints --rate "$RATE" --for "${STORM}s" \
    --flap default/fleetman-safe-3 >"$SANDBOX/churn" &
churn=$!
load lag --socket "$VSPLIT_SOCKET" --rule team-00/$changed --changes $changes --within 120s \
    >"$SANDBOX/lag" &
lag=$!
sleep 2
half=
for ((i = 1; i <= changes; ++i)); do
    kube -n team-00 patch vs $changed --type json \
        -p '[{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": '$i'}]' >/dev/null
    sleep 1.5
    [ $i -ne $((changes / 2)) ] || half=$(memory VmRSS)
done
wait $lag || sandbox_fail "not all weights are in force"
wait $churn || sandbox_fail "the changes have failed"
ended=$SECONDS
say "$(cat "$SANDBOX/churn")"
say "$(cat "$SANDBOX/lag")"
load compare --socket "$VSPLIT_SOCKET" --within 300s
generations=$(($(generation) - before)) end=$(memory VmRSS)
say "the agent has the server's picture $((SECONDS - ended)) s after the storm"
touch "$SANDBOX/enough"
wait "$CLIENT"
expect_text "each ten connections in the storm" 'risky 3 safe 7 ' "$(sort -u "$SANDBOX/splits")"
say "$(chunks)0 connections, none wrong, none refused"
say "put into force in $generations generations, with $(awk "BEGIN { print $(used) - $cpu }") s of CPU;" \
    "memory before, in the middle and after: $memory, $half and $end MiB, at most $(memory VmHWM)"
# As many as there is a pause between, and one for each weight.
[ $generations -le $((50 * (SECONDS - began) + changes)) ] ||
    sandbox_fail "changes are put into force one by one"
[ "$(memory VmHWM)" -le $((memory + 100)) ] || sandbox_fail "memory grows with the storm"
