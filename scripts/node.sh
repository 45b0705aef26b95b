# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A Debian 12 machine under systemd, on this machine's kernel: namespaces with a cgroup tree, a bpffs
# and a network of their own. To be sourced; needs root and mmdebstrap. Nothing that is written in
# it is kept.

node_fail() {
    echo "error: $*" >&2
    exit 1
}

# node_tree PACKAGE...: prints the folder of a root that has these packages; made the first time.
node_tree() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/vsplit-node uri names tree
    # shellcheck disable=SC2016 # apt's own variables
    uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' |
        sed -n 's/^Debian|Debian|//p' | head -1)
    [ -n "$uri" ] || node_fail "no Debian archive among this machine's apt sources; apt-get update first"
    names=$(IFS=,; echo "$*")
    tree=$cache/$(sha256sum <<<"$names" | cut -c 1-16)
    if [ ! -e "$tree/etc/debian_version" ]; then
        rm -rf "$tree.new"
        mkdir -p "$tree.new"
        # Through a pipe: a folder that is not below / may be mounted without devices.
        mmdebstrap --quiet --variant=minbase --include="$names" --dpkgopt=path-exclude='/dev/*' bookworm - \
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri bookworm main" |
            tar -x -C "$tree.new" --exclude='./dev/*' || node_fail "mmdebstrap failed"
        rm -f "$tree.new/etc/resolv.conf" "$tree.new/etc/apt/sources.list"
        echo node >"$tree.new/etc/hostname"
        rm -rf "$tree"
        mv "$tree.new" "$tree"
    fi
    echo "$tree"
}

# What runs in the new namespaces until systemd does. The old root is gone then.
# shellcheck disable=SC2016 # the inner shell's own variables
node_first='
set -e
tree=$1 new=$2/root layer=$2/layer
shift 2
mount --make-rprivate /
mkdir -p "$new" "$layer"
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/up" "$layer/work"
mount -t overlay -o "lowerdir=$tree,upperdir=$layer/up,workdir=$layer/work" overlay "$new"
mount -t proc proc "$new/proc"
mount -t sysfs -o ro sysfs "$new/sys"
mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup"
mount -t bpf bpf "$new/sys/fs/bpf"
mount -t tmpfs -o mode=755 tmpfs "$new/run"
mount -t tmpfs -o mode=755 tmpfs "$new/dev"
mkdir "$new/dev/pts" "$new/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$new/dev/pts"
mount -t tmpfs tmpfs "$new/dev/shm"
for device in null zero full random urandom tty; do
    touch "$new/dev/$device"
    mount --bind "/dev/$device" "$new/dev/$device"
done
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
for folder; do
    mkdir -p "$new$folder"
    mount --bind "$folder" "$new$folder"
    mount -o remount,bind,ro "$new$folder"
done
# It has no hardware.
ln -sf /dev/null "$new/etc/systemd/system/systemd-udevd.service"
cd "$new"
mkdir old
pivot_root . old
umount -l old
rmdir old
exec env -i container=vsplit /sbin/init systemd.show_status=0 </dev/null'

# node_boot TREE WORK [FOLDER...]: boots, with these folders of this machine to be read at their
# places. WORK is an empty folder. Returns when all units have started.
node_boot() {
    local tree=$1 work=$2 mount
    shift 2
    mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' \
        /proc/self/mountinfo)
    [ -n "$mount" ] || node_fail "there is no cgroup2 mount in /proc/self/mountinfo"
    NODE_CGROUP=$mount/$(basename "$work" | tr . -)
    mkdir "$NODE_CGROUP"
    # Whoever waits outside is not in its cgroup: there, processes are to have a number of the node's.
    # shellcheck disable=SC2016 # the inner shell's own variables
    setsid unshare --mount --pid --uts --ipc --net --fork --kill-child \
        sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec unshare --cgroup "$@"' sh "$NODE_CGROUP" \
        sh -c "$node_first" sh "$tree" "$work" "$@" >"$work/boot.log" 2>&1 &
    NODE_UNSHARE=$!
    local tries=0
    until NODE=$(pgrep -P "$NODE_UNSHARE") && [ "$(cat "/proc/$NODE/comm")" = systemd ] &&
        node_run systemctl is-system-running --wait >"$work/state" 2>/dev/null; do
        tries=$((tries + 1))
        if ! kill -0 "$NODE_UNSHARE" 2>/dev/null || [ $tries -ge 300 ] ||
            [ "$(cat "$work/state" 2>/dev/null)" = degraded ]; then
            [ -z "$NODE" ] || node_run systemctl list-units --failed --no-pager >&2 || true
            node_fail "the node did not start: $(cat "$work/boot.log")"
        fi
        sleep 0.1
    done
}

# node_run COMMAND...: in the node, as root. Its cgroup is the node's root.
node_run() {
    nsenter -t "$NODE" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

# Ends the node, whatever state it is in.
node_end() {
    [ -n "${NODE_UNSHARE:-}" ] || return 0
    kill -KILL "$NODE_UNSHARE" 2>/dev/null || true
    wait "$NODE_UNSHARE" 2>/dev/null || true
    NODE_UNSHARE=
    local tries=0
    until [ ! -d "$NODE_CGROUP" ] || [ $tries -ge 100 ]; do
        find "$NODE_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
        tries=$((tries + 1))
        sleep 0.1
    done
}
