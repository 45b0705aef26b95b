#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients that speak no TLS, half of it, or garbage within it, malformed HTTP, a byte at a time, and
# too many of them: the agent serves everyone else meanwhile, and nothing of theirs stays. And what
# the port of metrics serves.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

mapfile -t ports < <(shuf -n 2 -i 20000-29999)
KUBE_PORT=${ports[0]} metrics_port=${ports[1]}
sandbox_fleetman
sandbox_agent --metrics-port "$metrics_port"
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1

metrics=http://127.0.0.1:$metrics_port
expect_line "log" "<6>event=serving_metrics url=$metrics" "$(cat "$SANDBOX/vsplitd.log")"
expect_line "metrics" 'vsplit_[a-z_]+(\{.*\})? [0-9.e+]+' "$(curl -s "$metrics/metrics")"
expect_text "health" ok "$(curl -s "$metrics/healthz")"
expect_text "ready" ok "$(curl -s "$metrics/readyz")"
expect_text "objects" 404 "$(curl -s -o "$SANDBOX/answer" -w '%{http_code}' "$metrics/api/v1/services")"

descriptors() { find "/proc/$AGENT/fd" -mindepth 1 | wc -l; }
before=$(descriptors)
expect_line "clients" 'asked [0-9]+ times meanwhile' \
    "$(python3 tests/tools/hostile "$VSPLIT_SOCKET" "$SANDBOX/kubeconfig" "$metrics_port")"
as_before() { [ "$(descriptors)" -le "$before" ]; }
sandbox_await "what the clients opened is closed" as_before
kill -0 "$AGENT" || sandbox_fail "the agent has ended"
expect_text "90 to 10" 'risky 10
safe 90' "$(split_of 100)"

# A port that is taken: the agent does its work without, and says so.
close_both() {
    [ -z "${OTHER:-}" ] || kill -KILL "$OTHER" 2>/dev/null || true
    wait ${OTHER:+"$OTHER"} 2>/dev/null || true
    vsplitd uninstall --pins "$PINS-other" >/dev/null 2>&1 || true
    rmdir "$CGROUP/other" 2>/dev/null || true
    sandbox_close
}
trap close_both EXIT
mkdir "$CGROUP/other"
vsplitd --socket "$SANDBOX/other.sock" --state "$SANDBOX/other.db" --pins "$PINS-other" --cgroup "$CGROUP/other" \
    --kube-port 0 --metrics-port "$metrics_port" >"$SANDBOX/other.log" 2>&1 &
OTHER=$!
other() { vsplit --socket "$SANDBOX/other.sock" "$@"; }
sandbox_await "the other agent answers" other version
expect_line "status" ".*metrics.*listen on 127.0.0.1 port $metrics_port: Address already in use.*" "$(other status)"
