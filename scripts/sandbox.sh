# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A sandbox for the agent and pods, to be sourced by scripts/demo and the end-to-end tests. Pods are
# network namespaces on a bridge in a namespace of its own; the agent works on a cgroup below the
# cgroup2 mount, with its own folder of pins, socket and state. Nothing else of the machine is
# touched, and all that is needed to clean up is in one folder, $SANDBOX, so that another process
# can do it.
#
# Before sourcing set BUILD, the build folder.

PATH=$BUILD/userspace:$BUILD/tests:$PATH:/usr/sbin:/sbin

sandbox_fail() {
    echo "error: $*" >&2
    exit 1
}

sandbox_cgroup_mount() {
    awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' \
        /proc/self/mountinfo
}

# sandbox_open PREFIX: makes the sandbox. The folder's name begins with PREFIX.
sandbox_open() {
    [ "$(id -u)" -eq 0 ] || sandbox_fail "BPF programs and network namespaces need root"
    local mount
    mount=$(sandbox_cgroup_mount)
    [ -n "$mount" ] || sandbox_fail "there is no cgroup2 mount in /proc/self/mountinfo"
    SANDBOX=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
    local name
    name=$(basename "$SANDBOX" | tr . -)
    echo "$name" >"$SANDBOX/name"
    if [ "$(stat -f -c %T /sys/fs/bpf)" != bpf_fs ]; then
        mount -t bpf bpf /sys/fs/bpf || sandbox_fail "cannot mount a bpffs on /sys/fs/bpf"
        touch "$SANDBOX/mounted-bpffs"
    fi
    mkdir "$mount/$name"
    ip netns add "$name-hub"
    ip -n "$name-hub" link add bridge type bridge
    ip -n "$name-hub" link set bridge up
    sandbox_use "$SANDBOX"
}

# sandbox_use FOLDER: sets the variables of a sandbox that is there.
sandbox_use() {
    SANDBOX=$1
    # Whoever else made a folder of that name must not tell us what to remove.
    if [ ! -O "$SANDBOX" ] || [ -L "$SANDBOX" ]; then
        sandbox_fail "$SANDBOX is not ours"
    fi
    NAME=$(basename "$SANDBOX" | tr . -)
    CGROUP=$(sandbox_cgroup_mount)/$NAME
    PINS=/sys/fs/bpf/$NAME
    KUBE_PORT=${KUBE_PORT:-0}
    export VSPLIT_SOCKET=$SANDBOX/vsplit.sock
}

# sandbox_pod POD ADDRESS/LENGTH: a pod without a process in it.
sandbox_pod() {
    local ns=$NAME-$1
    ip netns add "$ns"
    ip -n "$NAME-hub" link add "$1" type veth peer name eth0 netns "$ns"
    ip -n "$NAME-hub" link set "$1" master bridge up
    ip -n "$ns" address add "$2" dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" link set lo up
}

# sandbox_serve POD NAME PORT: a server in the pod that answers NAME.
sandbox_serve() {
    ip netns exec "$NAME-$1" pod serve "$2" "$3" >"$SANDBOX/$2.log" 2>&1 &
    echo $! >>"$SANDBOX/pids"
    sandbox_await "$2 listens" sandbox_listens "$1" "sport = :$3"
}

# sandbox_listens POD FILTER: some socket of the pod does that the filter of ss lets through.
sandbox_listens() {
    ip netns exec "$NAME-$1" ss -Hltn "$2" | grep -q .
}

# sandbox_await WHAT COMMAND...: until it holds, for half a minute at most, or PATIENCE seconds.
sandbox_await() {
    local what=$1 end=$((SECONDS + ${PATIENCE:-30}))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || {
            tail -n 20 "$SANDBOX"/*.log >&2
            sandbox_fail "in vain: $what"
        }
        sleep 0.05
    done
}

# sandbox_run POD COMMAND...: in the pod, and in the cgroup whose connections are split.
sandbox_run() {
    local ns=$NAME-$1
    shift
    # shellcheck disable=SC2016 # the inner shell's own variables
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec ip netns exec "$@"' sh "$CGROUP" "$ns" "$@"
}

# sandbox_agent [OPTION...]: starts the agent and waits until it is ready. It serves kubectl if
# KUBE_PORT is set.
sandbox_agent() {
    vsplitd --socket "$VSPLIT_SOCKET" --state "$SANDBOX/objects.db" --pins "$PINS" --cgroup "$CGROUP" \
        --kube-port "$KUBE_PORT" "$@" >>"$SANDBOX/vsplitd.log" 2>&1 &
    AGENT=$!
    echo $AGENT >>"$SANDBOX/pids"
    local tries=0
    until vsplit version >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 $AGENT 2>/dev/null || [ $tries -ge 400 ]; then
            cat "$SANDBOX/vsplitd.log" >&2
            sandbox_fail "vsplitd did not start"
        fi
        sleep 0.05
    done
}

# The pods of deploy/examples/fleetman.yaml, and a client.
sandbox_fleetman() {
    sandbox_pod client 10.1.0.2/24
    local pod
    for pod in safe-1:10.1.0.11 safe-2:10.1.0.12 safe-3:10.1.0.13 risky-1:10.1.0.21; do
        sandbox_pod "${pod%:*}" "${pod#*:}/24"
        sandbox_serve "${pod%:*}" "${pod%:*}" 8080
    done
}

# Ends everything in the sandbox and removes it. Fine when half of it is not there.
sandbox_close() {
    [ -n "${SANDBOX:-}" ] && [ -e "$SANDBOX/name" ] || return 0
    sandbox_use "$SANDBOX"
    local pid ns
    if [ -e "$SANDBOX/pids" ]; then
        while read -r pid; do
            # The number may belong to somebody else by now.
            if grep -aqE 'vsplitd|pod.serve' "/proc/$pid/cmdline" 2>/dev/null; then
                kill "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
            fi
        done <"$SANDBOX/pids"
    fi
    [ ! -d "$PINS" ] || vsplitd uninstall --pins "$PINS" >/dev/null 2>&1 || rm -rf "$PINS"
    for ns in $(ip netns list | awk -v name="$NAME-" 'index($1, name) == 1 { print $1 }'); do
        ip netns del "$ns"
    done
    if [ -d "$CGROUP" ]; then
        # Clients that are still there end with their cgroup.
        [ ! -e "$CGROUP/cgroup.kill" ] || echo 1 >"$CGROUP/cgroup.kill"
        local tries=0
        until rmdir "$CGROUP" 2>/dev/null || [ $tries -ge 100 ]; do
            tries=$((tries + 1))
            sleep 0.05
        done
    fi
    # What others have pinned on it meanwhile stays.
    if [ -e "$SANDBOX/mounted-bpffs" ] &&
        [ -z "$(find /sys/fs/bpf -mindepth 1 ! -name '*.debug')" ]; then
        umount /sys/fs/bpf 2>/dev/null || true
    fi
    rm -rf "$SANDBOX"
    SANDBOX=
}
