# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A control plane on loopback, to be sourced: etcd, an API server with RBAC, and controllers.
# Everything is in the folder $PLANE; PROGRAMS is where tests/kubernetes/build has put the programs.
# Needs openssl and curl.
PLANE_FLAGS=()     # of the API server, beside its own
PLANE_CONTROLLERS= # ",NAME,NAME": beside those that make EndpointSlices and service accounts

# plane_key NAME / plane_sign NAME SUBJECT USAGE [SUBJECT-ALTERNATIVE-NAMES]
plane_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PLANE/$1.key"; }
plane_sign() {
    plane_key "$1"
    openssl req -new -key "$PLANE/$1.key" -subj "$2" -out "$PLANE/$1.csr"
    openssl x509 -req -in "$PLANE/$1.csr" -CA "$PLANE/ca.crt" -CAkey "$PLANE/ca.key" \
        -CAcreateserial -days 2 -out "$PLANE/$1.crt" -extfile <(
            echo "extendedKeyUsage=$3"
            [ -z "${4:-}" ] || echo "subjectAltName=$4"
        ) 2>/dev/null
}

# plane_kubeconfig FILE USER-FIELDS: how to reach the server as somebody.
plane_kubeconfig() {
    cat >"$1" <<Y
apiVersion: v1
kind: Config
current-context: plane
clusters: [{name: plane, cluster: {server: "https://127.0.0.1:$PLANE_PORT", certificate-authority: $PLANE/ca.crt}}]
users: [{name: user, user: {$2}}]
contexts: [{name: plane, context: {cluster: plane, user: user, namespace: default}}]
Y
}
plane_kubeconfig_of() {
    plane_kubeconfig "$PLANE/$1.kubeconfig" \
        "client-certificate: $PLANE/$1.crt, client-key: $PLANE/$1.key"
}

# plane_run NAME COMMAND...: in the background; NAME.pid and NAME.log are its.
plane_run() {
    local name=$1
    shift
    "$@" >>"$PLANE/$name.log" 2>&1 </dev/null &
    echo $! >"$PLANE/$name.pid"
}
plane_kill() {
    local pid
    [ -e "$PLANE/$1.pid" ] || return 0
    pid=$(cat "$PLANE/$1.pid")
    rm "$PLANE/$1.pid"
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# plane_ask PATH [CURL-OPTION...]: what the server answers the administrator. For what kubectl, with a
# tenth of a second of CPU for each call, is too slow for.
plane_ask() {
    local path=$1
    shift
    curl -s --fail --cacert "$PLANE/ca.crt" --cert "$PLANE/admin.crt" --key "$PLANE/admin.key" "$@" \
        "https://127.0.0.1:$PLANE_PORT$path"
}
plane_merge() { plane_ask "$1" -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' -d "$2"; }

plane_start_server() {
    plane_run kube-apiserver "$PROGRAMS/kube-apiserver" \
        --etcd-servers "http://127.0.0.1:$PLANE_ETCD_PORT" --endpoint-reconciler-type none \
        --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$PLANE_PORT" \
        --service-cluster-ip-range 10.96.0.0/16 --client-ca-file "$PLANE/ca.crt" \
        --tls-cert-file "$PLANE/server.crt" --tls-private-key-file "$PLANE/server.key" \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$PLANE/accounts.pub" \
        --service-account-signing-key-file "$PLANE/accounts.key" \
        --authorization-mode RBAC --profiling=false "${PLANE_FLAGS[@]}"
    local tries=0
    until [ "$(plane_ask /readyz)" = ok ]; do
        tries=$((tries + 1))
        if [ $tries -gt 1200 ] || ! kill -0 "$(cat "$PLANE/kube-apiserver.pid")" 2>/dev/null; then
            tail -n 5 "$PLANE/kube-apiserver.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

plane_start() {
    local ports
    mapfile -t ports < <(shuf -n 3 -i 20000-29999)
    PLANE_PORT=${ports[0]} PLANE_ETCD_PORT=${ports[1]}
    local peer=http://127.0.0.1:${ports[2]}
    (
        umask 077
        mkdir "$PLANE"
        plane_key ca
        openssl req -x509 -new -key "$PLANE/ca.key" -days 2 -subj /CN=ca -out "$PLANE/ca.crt" \
            -addext keyUsage=critical,keyCertSign,cRLSign
        plane_key accounts
        openssl ec -in "$PLANE/accounts.key" -pubout -out "$PLANE/accounts.pub" 2>/dev/null
        plane_sign server /CN=kube-apiserver serverAuth IP:127.0.0.1,DNS:kubernetes
        plane_sign admin /O=system:masters/CN=admin clientAuth
        plane_sign controllers /CN=system:kube-controller-manager clientAuth
        plane_kubeconfig_of admin
        plane_kubeconfig_of controllers
    )
    plane_run etcd "$PROGRAMS/etcd" --data-dir "$PLANE/etcd" --log-level error --unsafe-no-fsync \
        --listen-client-urls "http://127.0.0.1:$PLANE_ETCD_PORT" \
        --advertise-client-urls "http://127.0.0.1:$PLANE_ETCD_PORT" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
        --initial-cluster "default=$peer"
    plane_start_server
    plane_run kube-controller-manager "$PROGRAMS/kube-controller-manager" \
        --kubeconfig "$PLANE/controllers.kubeconfig" --secure-port 0 --leader-elect=false \
        --use-service-account-credentials \
        --service-account-private-key-file "$PLANE/accounts.key" \
        --controllers "endpointslice-controller,serviceaccount-controller,namespace-controller$PLANE_CONTROLLERS"
}

plane_stop() {
    plane_kill kube-controller-manager
    plane_kill kube-apiserver
    plane_kill etcd
}
