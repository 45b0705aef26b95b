#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The package in the hands of an administrator: on a machine under systemd, as root, by
# scripts/test-package. usage: node_test.sh FOLDER, which has now.deb, next.deb and tests/pod.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"

packages=$BUILD
unset VSPLIT_SOCKET # the default
step() { printf -- '-- %s\n' "$*"; }

# await WHAT COMMAND...: until it holds, for half a minute at most.
await() {
    local what=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || {
            journalctl -u vsplitd --no-pager -o cat | tail -n 20 >&2
            sandbox_fail "in vain: $what"
        }
        sleep 0.1
    done
}

pid() { systemctl show -P MainPID vsplitd; }
programs() { bpftool cgroup show /sys/fs/cgroup | grep vsplit | sort || true; }
# All files but those of dpkg, of systemd and of this test.
files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /tmp -o \
        -path "$SANDBOX" -o -path /var/lib/systemd -o -path /var/lib/apt \) -prune -o -print | sort
}
ninety_ten() {
    expect_text "$1" 'risky 100
safe 900' "$(split_of 1000)"
}

sandbox_fleetman
before=$(files)

step "install: it runs, with exactly these rights, and who is in the group may use it"
dpkg -i "$packages/now.deb" >"$SANDBOX/dpkg.log" 2>&1 || sandbox_fail "$(cat "$SANDBOX/dpkg.log")"
expect_text "the service" active "$(systemctl is-active vsplitd || journalctl -u vsplitd -o cat | tail)"
expect_text "and at boot" enabled "$(systemctl is-enabled vsplitd)"
# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39 (linux/capability.h)
for set in CapPrm CapEff CapBnd CapAmb; do
    expect_text $set 000000c000001000 "$(awk -v set=$set: '$1 == set { print $2 }' "/proc/$(pid)/status")"
done
expect_line "no core files" 'Max core file size +0 +0 +bytes +' "$(cat "/proc/$(pid)/limits")"
expect_text "the socket" "660 root vsplit" "$(stat -c '%a %U %G' /run/vsplit/vsplit.sock)"
expect_text "the kubeconfig" "640 root vsplit" "$(stat -c '%a %U %G' /run/vsplit/kubeconfig)"
expect_text "the state" "700 600 600" "$(stat -c %a /var/lib/vsplit /var/lib/vsplit/objects.db /var/lib/vsplit/kube.pem | xargs)"
as_nobody() { setpriv --reuid=65534 --regid=65534 "$@"; }
as_nobody --groups="$(getent group vsplit | cut -d: -f3)" vsplit status >/dev/null
! as_nobody --clear-groups vsplit status >/dev/null 2>&1 || sandbox_fail "anybody may use the socket"
systemd-analyze verify vsplitd.service

step "use: nine of ten, and where the manual pages are"
vsplit apply -f /usr/share/doc/vsplit/examples/fleetman.yaml >/dev/null 2>&1
ninety_ten "nine of ten"
for page in vsplit vsplitd; do
    man --warnings=w "$page" >/dev/null 2>"$SANDBOX/man.log"
    expect_text "warnings about $page" '' "$(cat "$SANDBOX/man.log")"
done

step "upgrade over a running split, while a client connects"
(
    round=0
    until [ -e "$SANDBOX/enough" ]; do
        round=$((round + 1))
        split_of 1000 >>"$SANDBOX/meanwhile"
        echo $round >"$SANDBOX/rounds"
    done
) &
client=$!
await "a client connects" test -s "$SANDBOX/rounds"
first=$(pid) image=$(vsplit get image)
dpkg -i "$packages/next.deb" >"$SANDBOX/dpkg.log" 2>&1 || sandbox_fail "$(cat "$SANDBOX/dpkg.log")"
expect_text "the service" active "$(systemctl is-active vsplitd)"
[ "$(pid)" != "$first" ] || sandbox_fail "the agent was not restarted"
expect_text "the version" "$(dpkg-deb -f "$packages/next.deb" Version)" "$(dpkg-query -W -f '${Version}' vsplit)"
expect_text "the tables" "$image" "$(vsplit get image)"

step "killed, stopped, started"
kill -KILL "$(pid)"
await "the agent is back" vsplit version
systemctl stop vsplitd
ninety=$(cat "$SANDBOX/rounds")
await "a client goes on without an agent" sh -c "[ \"\$(cat $SANDBOX/rounds)\" -gt $((ninety + 1)) ]"
systemctl start vsplitd
touch "$SANDBOX/enough"
wait $client
expect_text "each thousand of connections, all the time" 'risky 100
safe 900' "$(sort -u "$SANDBOX/meanwhile")"
echo "   $(cat "$SANDBOX/rounds") x 1000 connections: 900 and 100 each"

step "limits of connections: said to need more rights, and with them kept"
ip netns exec "$NAME-safe-1" pod serve echo 8081 0.0.0.0 --echo >"$SANDBOX/echo.log" 2>&1 &
echo $! >>"$SANDBOX/pids"
cat >"$SANDBOX/echo.yaml" <<'Y'
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: default}
spec: {clusterIP: 10.96.0.8, ports: [{name: tcp, port: 80, targetPort: 8081}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-1, namespace: default, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
ports: [{name: tcp, port: 8081, protocol: TCP}]
endpoints: [{addresses: [10.1.0.11], conditions: {ready: true}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo, namespace: default}
spec:
  host: echo
  trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 1s}}}
Y
vsplit apply -f "$SANDBOX/echo.yaml" >/dev/null 2>&1
await "the echo server listens" sh -c "ip netns exec $NAME-safe-1 ss -Hltn 'sport = :8081' | grep -q ."
# shellcheck disable=SC2016 # the inner shell's own variables
sandbox_run client bash -c 'exec 3<>/dev/tcp/10.96.0.8/80 && touch "$1.begun" && cat <&3 >/dev/null 2>&1
    touch "$1.end"' bash "$SANDBOX/held" 2>/dev/null &
await "a connection" test -e "$SANDBOX/held.begun"
await "the agent says what it may not do" sh -c "vsplit status | grep -q CAP_SYS_PTRACE"
[ ! -e "$SANDBOX/held.end" ] || sandbox_fail "the connection has ended"
# As the file itself says.
install -D -m 644 /usr/share/doc/vsplit/examples/connection-limits.conf \
    /etc/systemd/system/vsplitd.service.d/connection-limits.conf
systemctl daemon-reload && systemctl restart vsplitd
# CAP_SYS_PTRACE 19, CAP_SYS_ADMIN 21
expect_text "rights" 000000c000281000 "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$(pid)/status")"
await "the connection is ended" test -e "$SANDBOX/held.end"
rm -r /etc/systemd/system/vsplitd.service.d

step "remove: the split ends, the objects stay; install again: they are in force"
dpkg -r vsplit >"$SANDBOX/dpkg.log" 2>&1 || sandbox_fail "$(cat "$SANDBOX/dpkg.log")"
expect_text "programs" '' "$(programs)"
expect_text "pins" '' "$(find /sys/fs/bpf -mindepth 1 ! -name '*.debug')"
test -e /var/lib/vsplit/objects.db
dpkg -i "$packages/next.deb" >"$SANDBOX/dpkg.log" 2>&1 || sandbox_fail "$(cat "$SANDBOX/dpkg.log")"
ninety_ten "installed again"

step "purge: nothing is left"
dpkg -P vsplit >"$SANDBOX/dpkg.log" 2>&1 || sandbox_fail "$(cat "$SANDBOX/dpkg.log")"
expect_text "programs" '' "$(programs)"
expect_text "pins" '' "$(find /sys/fs/bpf -mindepth 1 ! -name '*.debug')"
expect_text "the unit" not-found "$(systemctl show -P LoadState vsplitd)"
expect_text "what was written to /run" '' "$(find /run -name '*vsplit*' ! -path "/run/netns/*")"
expect_text "files" "$before" "$(files)"
echo "installed, used, upgraded, removed, purged"
