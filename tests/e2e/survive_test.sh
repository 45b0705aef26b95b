#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Killing the agent changes nothing for connections, starting it again changes nothing either, and
# uninstalling leaves nothing behind.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

sandbox_fleetman
sandbox_agent --observe=on
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
expect_text "with the agent" 'risky 10
safe 90' "$(split_of 100)"
uid=$(vsplit get vs fleetman-staff-service -o yaml | grep uid:)
times=$(vsplit get vs fleetman-staff-service -o json | grep lastTransitionTime)
expect_text "a time for each condition" 3 "$(wc -l <<<"$times")"
image=$(vsplit get image)

kill -KILL "$AGENT"
wait "$AGENT" 2>/dev/null || true
expect_run 1 "error: cannot reach the agent at $VSPLIT_SOCKET: Connection refused; is vsplitd running?" vsplit get vs
expect_text "without the agent" 'risky 10
safe 90' "$(split_of 100)"
sleep 1 # so that a time of the start is another one

sandbox_agent --observe=on
expect_text "the object is the same" "$uid" "$(vsplit get vs fleetman-staff-service -o yaml | grep uid:)"
expect_text "so are the times of its conditions" "$times" "$(vsplit get vs fleetman-staff-service -o json | grep lastTransitionTime)"
expect_text "the tables are the same" "$image" "$(vsplit get image)"
expect_text "with the agent again" 'risky 10
safe 90' "$(split_of 100)"
expect_line "the counters went on" '  safe +90\.0 % +90\.0 % +\S+ +270 +0 +0 +0' "$(vsplit top --once)"

kill -TERM "$AGENT"
wait "$AGENT"
expect_text "after a stop" 'risky 10
safe 90' "$(split_of 100)"

vsplitd uninstall --pins "$PINS" 2>/dev/null
[ ! -e "$PINS" ] || sandbox_fail "$PINS is still there"
expect_text "no program is attached" '' "$(bpftool cgroup show "$CGROUP" | grep vsplit || true)"
said=$(sandbox_run client pod connect 10.96.0.7:80 1 || true)
expect_text "connections are left alone" '1 (Network is unreachable)' "$said"
