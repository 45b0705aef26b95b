#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods with hostNetwork are told apart by where the kubelet puts their cgroups, with either driver
# and in every QoS class, although their processes are in the node's own network namespace.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

close_all() {
    # The children before their parents.
    find "$CGROUP" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
    sandbox_close
}
trap close_all EXIT

CGROUPFS=$CGROUP/kubepods
SYSTEMD=$CGROUP/kubelet.slice/kubelet-kubepods.slice

# pod_object NAME UID APP
pod_object() {
    cat <<EOF
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: default, uid: $2, labels: {app: $3}}
spec: {nodeName: n1, hostNetwork: true}
status: {phase: Running, podIP: 192.0.2.1}
---
EOF
}

# split_in CGROUP COUNT: the names that answer a process there, in this network namespace.
split_in() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    sh -c 'echo $$ >"$1/cgroup.procs" && exec pod connect 10.96.0.7:80 "$2"' sh "$1" "$2" |
        awk '{ print $2, $1 }' | sort
}

listens() { ss -Hltn "src $1 sport = :8080" | grep -q .; }

# The node's own loopback is where its processes reach the endpoints.
for server in safe:127.77.0.11 risky:127.77.0.21; do
    pod serve "${server%:*}" 8080 "${server#*:}" >"$SANDBOX/${server%:*}.log" 2>&1 &
    echo $! >>"$SANDBOX/pids"
    sandbox_await "$server listens" listens "${server#*:}"
done

uid=0a1b2c3d-0000-4000-8000-00000000000
declare -A cgroup_of=(
    [fs-guaranteed]=$CGROUPFS/pod${uid}1
    [fs-burstable]=$CGROUPFS/burstable/pod${uid}2
    [fs-besteffort]=$CGROUPFS/besteffort/pod${uid}3
    [sd-guaranteed]=$SYSTEMD/kubelet-kubepods-pod${uid//-/_}4.slice
    [sd-burstable]=$SYSTEMD/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${uid//-/_}5.slice
    [sd-besteffort]=$SYSTEMD/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${uid//-/_}6.slice
)
for name in "${!cgroup_of[@]}"; do
    mkdir -p "${cgroup_of[$name]}/container"
done
mkdir -p "$CGROUPFS/burstable/pod${uid}7/container" # of a pod that nobody knows

sandbox_agent --node=n1
{
    cat <<'EOF'
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.7, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
  - {addresses: [127.77.0.11], targetRef: {kind: Pod, name: safe, namespace: default}}
  - {addresses: [127.77.0.21], targetRef: {kind: Pod, name: risky, namespace: default}}
---
apiVersion: v1
kind: Pod
metadata: {name: safe, namespace: default, labels: {version: safe}}
status: {phase: Running, podIP: 127.77.0.11}
---
apiVersion: v1
kind: Pod
metadata: {name: risky, namespace: default, labels: {version: risky}}
status: {phase: Running, podIP: 127.77.0.21}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  subsets:
    - {name: safe, labels: {version: safe}}
    - {name: risky, labels: {version: risky}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  http:
    - match: [{sourceLabels: {app: tester}}]
      route:
        - {destination: {host: web, subset: safe}, weight: 1}
        - {destination: {host: web, subset: risky}, weight: 1}
    - match: [{sourceLabels: {app: brave}}]
      route: [{destination: {host: web, subset: risky}}]
    - route: [{destination: {host: web, subset: safe}}]
---
EOF
    pod_object fs-guaranteed ${uid}1 brave
    pod_object fs-burstable ${uid}2 tester
    pod_object fs-besteffort ${uid}3 other
    pod_object sd-guaranteed ${uid}4 tester
    pod_object sd-burstable ${uid}5 brave
    pod_object sd-besteffort ${uid}6 brave
} >"$SANDBOX/all.yaml"
vsplit apply -f "$SANDBOX/all.yaml" >/dev/null 2>&1
expect_line "status" 'Pods: +6 of this node' "$(vsplit status)"

declare -A split_for=([brave]='risky 10' [other]='safe 10' [tester]=$'risky 5\nsafe 5')
for want in fs-guaranteed:brave fs-burstable:tester fs-besteffort:other sd-guaranteed:tester \
    sd-burstable:brave sd-besteffort:brave; do
    app=${want#*:}
    expect_text "connections of ${want%:*}" "${split_for[$app]}" "$(split_in "${cgroup_of[${want%:*}]}/container" 10)"
done
expect_text "connections of a pod that nobody knows" 'safe 10' \
    "$(split_in "$CGROUPFS/burstable/pod${uid}7/container" 10)"
expect_text "connections of the node below the cgroup" 'safe 10' "$(split_in "$CGROUP" 10)"

# Who is no pod that is known, where rules tell pods apart, is counted.
expect_line "status: unknown sources" '.*unknown_source 20([^0-9].*)?' "$(vsplit status)"

# A pod that goes, and one of the same class that comes, with a cgroup of its own.
vsplit delete pod fs-guaranteed >/dev/null
rmdir "${cgroup_of[fs-guaranteed]}/container" "${cgroup_of[fs-guaranteed]}"
mkdir -p "$CGROUPFS/pod${uid}8/container"
expect_text "connections before the pod is known" 'safe 10' "$(split_in "$CGROUPFS/pod${uid}8/container" 10)"
pod_object late ${uid}8 brave | vsplit apply -f - >/dev/null 2>&1
expect_text "connections of the pod that came" 'risky 10' "$(split_in "$CGROUPFS/pod${uid}8/container" 10)"
