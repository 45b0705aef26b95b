#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an agent costs with 10 000 Services of 100 000 endpoints and 10 000 Pods on a real API server:
# from its start until all of that is in force, memory, and CPU while nothing changes. Printed; it
# fails only when that is far from what is promised, or when the agent has another picture.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
# shellcheck source=tests/kubernetes/example.sh
. tests/kubernetes/example.sh
services=${SERVICES:-10000} endpoints=10
pods=$services
IDLE=${IDLE:-30} # seconds
most_start=60    # seconds; 5 are wanted on a machine with nothing else to do
most_idle=20     # of a hundred parts of a CPU; 1 is wanted
most_memory=300  # MiB

has_all() { grep -q event=cluster_in_force "$SANDBOX/vsplitd.log"; }
# measure WHAT: starts the agent, and says what that costs.
measure() {
    local what=$1 began served all
    mv "$SANDBOX/vsplitd.log" "$SANDBOX/before.log"
    began=$(date +%s%N)
    start_first
    served=$(date +%s%N)
    sandbox_await "the server's objects are in force" has_all
    all=$((($(date +%s%N) - began) / 1000000))
    say "$what: serves after $(((served - began) / 1000000)) ms, all in force after $all ms;" \
        "$(used) s of CPU, $(memory VmHWM) MiB at most, $(memory VmRSS) MiB"
    [ $all -le $((most_start * 1000)) ] || sandbox_fail "the start takes more than $most_start s"
    [ "$(memory VmHWM)" -le $most_memory ] || sandbox_fail "the start takes more than $most_memory MiB"
}

say "the control plane starts"
example_open
load fill --services "$services" --endpoints $endpoints --pods "$pods" --rules "$services"
say "$services Services, each with $endpoints endpoints and its own rules"
stop TERM "$AGENT"
vsplitd uninstall --pins "$PINS" >/dev/null
rm "$SANDBOX"/objects.db*
measure "with nothing known"
load compare --socket "$VSPLIT_SOCKET" --within 60s
sleep 5 # what is done in idle moments
before=$(used)
sleep "$IDLE"
idle=$(awk "BEGIN { printf \"%.2f\", 100 * ($(used) - $before) / $IDLE }")
say "idle for $IDLE s: $idle % of a CPU, $(memory VmRSS) MiB"
[ "${idle%.*}" -lt $most_idle ] || sandbox_fail "the agent works while nothing changes"
stop TERM "$AGENT"
measure "with all known"
load compare --socket "$VSPLIT_SOCKET" --within 60s
