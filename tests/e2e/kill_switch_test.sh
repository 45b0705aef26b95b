#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands that bpf/README.md gives for the kill switch, word for word but for the folder of the
# pins, while no agent lives: connections pass as they were dialled, nothing else of the tables
# changes, and the split then goes on at the very connection where it stopped.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

# commands_of FILE BYTE: the block of the document that sets the byte of the switch.
commands_of() {
    awk -v byte="/$2/" '
        /^```/ { if (inside && index(block, "map update pinned") && index(block, byte)) printf "%s", block
                 inside = !inside; block = ""; next }
        inside { block = block $0 "\n" }' "$1"
}
on=$(commands_of bpf/README.md 0x01)
off=$(commands_of bpf/README.md 0x00)
[[ $on && $off ]] || sandbox_fail "bpf/README.md has no kill switch"
expect_text "README.md has the same command" "$on" "$(commands_of README.md 0x01)"

# switch_with COMMANDS: as somebody at a prompt would, in a shell of their own.
switch_with() {
    bash -euo pipefail -c "${1//\/sys\/fs\/bpf\/vsplit/$PINS}"
}

control() {
    bpftool -j map lookup pinned "$PINS/control" key 0 0 0 0 | sed 's/.*"formatted"://'
}

# Whoever else serves the ClusterIP: a node's kube-proxy in the place of this pod.
sandbox_fleetman
sandbox_pod plain 10.96.0.7/24
sandbox_serve plain plain 80
ip -n "$NAME-plain" route add 10.1.0.0/24 dev eth0
ip -n "$NAME-client" route add 10.96.0.0/24 dev eth0

sandbox_agent --observe=on
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
vsplit apply -f deploy/examples/fleetman-50.yaml >/dev/null 2>&1
vsplit apply -f deploy/examples/fleetman.yaml >/dev/null 2>&1
first=$(split_of 7)
kill -KILL "$AGENT"
wait "$AGENT" 2>/dev/null || true
expect_text "in force" '{"key":0,"value":{"schema":2,"flags":0,"active_generation":3}}}' "$(control)"
routes=$(bpftool map dump pinned "$PINS/routes")

switch_with "$on"
expect_text "the switch is on, all else is as it was" \
    '{"key":0,"value":{"schema":2,"flags":1,"active_generation":3}}}' "$(control)"
expect_text "connections pass untouched" 'plain 20' "$(split_of 20)"
switch_with "$on"
expect_text "on twice is on" '{"key":0,"value":{"schema":2,"flags":1,"active_generation":3}}}' "$(control)"

# An agent that starts in the meantime leaves the switch as it is, and says so.
sandbox_agent --observe=on
expect_line "status" 'Splitting: +NO: the kill switch is on, every connection passes as it is' "$(vsplit status)"
expect_text "with the agent" 'plain 20' "$(split_of 20)"
kill -KILL "$AGENT"
wait "$AGENT" 2>/dev/null || true

switch_with "$off"
expect_text "the switch is off" '{"key":0,"value":{"schema":2,"flags":0,"active_generation":3}}}' "$(control)"
expect_text "no route has changed" "$routes" "$(bpftool map dump pinned "$PINS/routes")"
# Those that passed took no number: the seven before and the three after are one block.
expect_text "ten split connections" 'risky 1
safe 9' "$(printf '%s\n' "$first" "$(split_of 3)" |
    awk '{ sum[$1] += $2 } END { for (name in sum) print name, sum[name] }' | sort)"

# Where there is no table nothing is written, and it shows.
said=$(bash -c "${on//\/sys\/fs\/bpf\/vsplit/$PINS/nothing}" 2>&1) && exit 1
expect_line "no such table" 'Error: .*' "$said"
