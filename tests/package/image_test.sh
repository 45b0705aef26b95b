#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The image as a kubelet runs it by deploy/vsplit.yaml: with containerd, with the rights and mounts of
# the DaemonSet and no others, beside pods in a kubelet's cgroups. By scripts/test-image, on a machine
# under systemd, as root. usage: image_test.sh FOLDER, which has image.tar, name and
# tests/pod.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/../e2e/expect.sh"
export VSPLIT_SOCKET=/run/vsplit/vsplit.sock
step() { printf -- '-- %s\n' "$*"; }

# await WHAT COMMAND...: until it holds, for half a minute at most.
await() {
    local what=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || sandbox_fail "in vain: $what; $(cat "$SANDBOX"/*.out 2>/dev/null)"
        sleep 0.1
    done
}

image=$(cat "$BUILD/name")
manifest=deploy/vsplit.yaml
# What a container has unless it is told otherwise; the DaemonSet drops ALL.
drops=()
for capability in AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW \
    SETFCAP SETGID SETPCAP SETUID SYS_CHROOT; do
    drops+=(--cap-drop "CAP_$capability")
done
mapfile -t adds < <(sed -n '/^ *add:$/,/^ *volumeMounts:$/s/^ *- \([A-Z_]*\)$/--cap-add\nCAP_\1/p' "$manifest")
expect_text "capabilities of the manifest" 3 $((${#adds[@]} / 2))
mounts=()
while read -r path options; do
    mkdir -p "$path"
    mounts+=(--mount "type=bind,src=$path,dst=$path,options=rbind:${options:-rw}")
done < <(sed -n 's/^ *- {name: [a-z]*, mountPath: \([^,}]*\)\(, readOnly: true\)*}$/\1 \2/p' "$manifest" |
    sed 's/, readOnly: true/ro/')
expect_text "mounts of the manifest" 4 $((${#mounts[@]} / 2))

# run NAME COMMAND...: in a container, with what the DaemonSet asks for; its output is in NAME.out.
# It serves what it is told, and not what a cluster has: there is none here.
run() {
    local name=$1
    shift
    # A share of the processors would need a cgroup controller, which a test may do without.
    ctr run --rm --snapshotter native --read-only --seccomp --cpu-shares 0 \
        "${drops[@]}" "${adds[@]}" "${mounts[@]}" "$image" "$name" "$@" >"$SANDBOX/$name.out" 2>&1
}
inside() { ctr task exec --exec-id "exec-$RANDOM" agent "$@"; }

step "import"
await "containerd answers" ctr version
ctr image import --snapshotter native "$BUILD/image.tar" >/dev/null
expect_text "the image's name" "$image" "$(ctr image ls -q)"
run plain /usr/sbin/vsplitd --version
expect_line "the agent in it" 'vsplitd [0-9.]+' "$(cat "$SANDBOX/plain.out")"
run plain /bin/sh -c 'getent group vsplit || echo none'
expect_text "no group, whose number would be another's on the node" none "$(cat "$SANDBOX/plain.out")"

step "the agent, as the DaemonSet runs it"
# The kubelet's cgroups, with systemd's driver: those of pods, and a pod.
kubepods=/sys/fs/cgroup/kubepods.slice
CGROUP=$kubepods/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice
mkdir -p "$CGROUP"
run agent /usr/sbin/vsplitd --state=/var/lib/vsplit/cluster.db --kube-port=0 --node=node &
agent=$!
await "the agent is healthy" inside vsplit health
await "the agent is ready" inside vsplit health --ready
process=$(ctr task ls | awk '$1 == "agent" { print $2 }')
expect_text "its rights" 000000c000001000 "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$process/status")"
expect_text "and none that it may get" 000000c000001000 "$(awk '$1 == "CapBnd:" { print $2 }' "/proc/$process/status")"
expect_text "no new privileges, a seccomp filter" "1 2" \
    "$(awk '$1 == "NoNewPrivs:" || $1 == "Seccomp:" { print $2 }' "/proc/$process/status" | xargs)"
expect_line "where it splits" "Cgroup: +$kubepods" "$(inside vsplit status)"

step "use, with the node's own socket"
sandbox_fleetman
inside /bin/sh -c "cat >/var/lib/vsplit/rules.yaml" <deploy/examples/fleetman.yaml
inside vsplit apply -f /var/lib/vsplit/rules.yaml >/dev/null 2>&1
expect_text "nine of ten" 'risky 100
safe 900' "$(split_of 1000)"

step "stopped, with the split going on; then uninstalled as the manifest does it"
ctr task kill -s SIGTERM agent
wait $agent || true
expect_text "without an agent" 'risky 100
safe 900' "$(split_of 1000)"
uninstall=$(sed -n 's/^ *command: \[\/bin\/sh, -ec, "\(.*\)"\]$/\1/p' deploy/vsplit-uninstall.yaml)
[ -n "$uninstall" ] || sandbox_fail "deploy/vsplit-uninstall.yaml has no command"
run uninstall /bin/sh -ec "$uninstall" || sandbox_fail "$(cat "$SANDBOX/uninstall.out")"
expect_text "pins" '' "$(find /sys/fs/bpf -mindepth 1 ! -name '*.debug')"
expect_text "programs" '' "$(bpftool cgroup show $kubepods | grep vsplit || true)"
expect_text "state" '' "$(find /run/vsplit /var/lib/vsplit -mindepth 1)"
echo "imported, run as the manifest says, uninstalled"
