# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced after cluster.sh: a kubelet, as far as connections tell. Each Pod of the namespace
# default, which names its node itself, becomes a network namespace with a server on port 8080 that
# answers with the name of the Pod's image. The Pod is Ready when the server listens, which accepts
# connections for KUBELET_GRACE seconds after the Pod was deleted, as by a preStop hook that sleeps.
KUBELET_GRACE=${KUBELET_GRACE:-3}

# kubelet_run: until the server ends the watch.
kubelet_run() {
    local -A pods=() # the namespace of each Pod
    local number=0 type name image deleted line
    line='{.type}|{.object.metadata.name}|{.object.spec.containers[0].image}|'
    line+='{.object.metadata.deletionTimestamp}{"\n"}'
    while IFS='|' read -r type name image deleted; do
        if [ "$type" = DELETED ] || [ -n "$deleted" ]; then
            [ -z "${pods[$name]:-}" ] || kubelet_end "$name" "${pods[$name]}" &
            unset "pods[$name]"
        elif [ "$type" = ADDED ]; then
            number=$((number + 1))
            pods[$name]=pod-$number
            kubelet_begin "$name" "$image" $number
        fi
    done < <(kube get pods --watch --output-watch-events -o jsonpath="$line")
}

# kubelet_begin NAME IMAGE NUMBER
kubelet_begin() {
    local address=10.1.0.$((100 + $3))
    sandbox_pod "pod-$3" "$address/24"
    sandbox_serve "pod-$3" "$2-$3" 8080
    plane_merge "/api/v1/namespaces/default/pods/$1/status" '{"status":{"phase":"Running",
        "podIP":"'$address'","podIPs":[{"ip":"'$address'"}],
        "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"'"$(date -u +%FT%TZ)"'"}]}}'
}

# kubelet_end NAME NAMESPACE: its servers lose their network, and that is the end of connections.
kubelet_end() {
    sleep "$KUBELET_GRACE"
    # shellcheck disable=SC2153 # the name of the sandbox
    ip -n "$NAME-hub" link del "$2"
    plane_ask "/api/v1/namespaces/default/pods/$1?gracePeriodSeconds=0" -o /dev/null -X DELETE || true
}
