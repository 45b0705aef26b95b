#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a DestinationRule limits: idle and old connections are ended, and no others; a full pool and
# an ejected endpoint show in top.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

# rule SETTINGS: of the connections to the Service, as a flow mapping.
rule() {
    cat <<EOF | vsplit apply -f - >/dev/null 2>&1
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: fleetman-staff-service, namespace: default}
spec:
  host: fleetman-staff-service
  trafficPolicy: $1
EOF
}

# hold NAME ADDRESS [PAUSE]: a connection of the client that is left idle, or says something each
# PAUSE seconds; $SANDBOX/NAME.end is there once it has ended.
hold() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    sandbox_run client bash -c '
        exec 3<>"/dev/tcp/${2%:*}/${2#*:}" && read -r -t 10 -N 4 -u 3 name && echo "$name" >"$1.name"
        [ -z "$3" ] || while sleep "$3"; do echo x >&3 || exit; done &
        cat <&3 >/dev/null 2>&1
        touch "$1.end"' bash "$SANDBOX/$1" "$2" "${3:-}" 2>/dev/null &
    sandbox_await "$1 is connected" test -e "$SANDBOX/$1.name"
}

lives() {
    [ ! -e "$SANDBOX/$1.end" ] || sandbox_fail "$1 has ended"
}

# The kernel's word, not that of the connection's owner.
established() {
    ip netns exec "$NAME-client" ss -Htn state established dst "$1" | wc -l
}

sandbox_pod client 10.1.0.2/24
sandbox_pod safe-1 10.1.0.11/24
ip netns exec "$NAME-safe-1" pod serve safe 8080 0.0.0.0 --echo >"$SANDBOX/safe-1.log" 2>&1 &
echo $! >>"$SANDBOX/pids"
sandbox_await "safe-1 listens" sandbox_listens safe-1 "sport = :8080"
sandbox_pod safe-2 10.1.0.12/24 # refuses
sandbox_agent --observe=on

cat <<'EOF' | vsplit apply -f - >/dev/null 2>&1
apiVersion: v1
kind: Service
metadata: {name: fleetman-staff-service, namespace: default}
spec: {clusterIP: 10.96.0.7, ports: [{name: tcp, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: fleetman-staff-service-1
  namespace: default
  labels: {kubernetes.io/service-name: fleetman-staff-service}
addressType: IPv4
ports: [{name: tcp, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.1.0.11], conditions: {ready: true}}]
EOF

# Idle ones.
rule '{connectionPool: {tcp: {idleTimeout: 2s}}}'
hold untouched 10.1.0.11:8080
hold idle 10.96.0.7:80
hold busy 10.96.0.7:80 0.3
expect_text "connections" 3 "$(established 10.1.0.11:8080)"
sandbox_await "the idle connection is ended" test -e "$SANDBOX/idle.end"
sleep 3
lives busy
lives untouched
expect_text "connections left" 2 "$(established 10.1.0.11:8080)"
metrics=$(vsplit status -o json)
expect_line "status" ' *"idle_timeout": 1,?' "$metrics"

# Old ones, however busy. The one before lives under the limit of then or that of now, and goes.
rule '{connectionPool: {tcp: {maxConnectionDuration: 2s}}}'
hold old 10.96.0.7:80 0.3
sandbox_await "the old connection is ended" test -e "$SANDBOX/old.end"
sandbox_await "the busy connection is ended" test -e "$SANDBOX/busy.end"
lives untouched
expect_text "connections left" 1 "$(established 10.1.0.11:8080)"
expect_line "status" ' *"max_connection_duration": 2,?' "$(vsplit status -o json)"

# The kernel's keepalive, its timer armed, and only on what was steered.
rule '{connectionPool: {tcp: {tcpKeepalive: {time: 60s, interval: 10s, probes: 3}}}}'
hold kept 10.96.0.7:80
timers=$(ip netns exec "$NAME-client" ss -Htno state established dst 10.1.0.11:8080)
expect_text "sockets with a keepalive timer, of all" "1 of 2" \
    "$(grep -c 'timer:(keepalive,' <<<"$timers" || true) of $(wc -l <<<"$timers")"

# A full pool.
rule '{connectionPool: {tcp: {maxConnections: 1}}}'
hold first 10.96.0.7:80
said=$(sandbox_run client pod connect 10.96.0.7:80 2 || true)
expect_text "beyond the pool" '2 (Connection refused)' "$said"
top=$(vsplit top --once)
expect_line "top: a full pool" '  SUBSET .* REFUSED +POOL +OVERFLOW' "$top"
expect_line "top: a full pool" '  fleetman-staff-service\S* +100\.0 % .* 1/1 +2' "$top"
expect_line "top: whose pool" '  fleetman-staff-service\S*: the pool of everyone else is full: 1 of 1 connections \(maxConnections\)' "$top"

# An ejected endpoint.
vsplit get endpointslices fleetman-staff-service-1 -o yaml |
    sed 's/- 10\.1\.0\.11/- 10.1.0.12/' | vsplit apply -f - >/dev/null 2>&1
rule '{outlierDetection: {consecutive5xxErrors: 2, baseEjectionTime: 60s, maxEjectionPercent: 100}}'
sandbox_run client pod connect 10.96.0.7:80 3 >/dev/null 2>&1 || true
top=$(vsplit top --once)
expect_line "top: an ejection" '  SUBSET .* REFUSED +EJECTED' "$top"
expect_line "top: an ejection" '  fleetman-staff-service\S* +100\.0 % .* 1/1' "$top"
expect_line "get endpoints: who, why, until when" '.*10\.1\.0\.12:8080 .*ejected for (60|5[0-9])s? .*2 failed connections in a row \(consecutive5xxErrors\).*' \
    "$(vsplit get endpoints)"
expect_line "top: which and why" '  fleetman-staff-service\S*: 10\.1\.0\.12:8080 is ejected for (60|5[0-9]) s more: 2 failed connections in a row \(consecutive5xxErrors\)' "$top"
