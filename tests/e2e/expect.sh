# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced by an end-to-end test, with the build folder as the test's first argument: opens a
# sandbox that is removed in any case, and compares what a user sees.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=${1:?usage: $0 BUILD-FOLDER}
# shellcheck source=scripts/sandbox.sh
. scripts/sandbox.sh
trap sandbox_close EXIT
trap 'exit 130' INT TERM
sandbox_open vsplit-e2e

KIALI=deploy/examples/virtual-service-kiali.yaml
PLAIN=deploy/examples/virtual-service-plain.yaml
export KIALI PLAIN

# expect_text WHAT WANTED GOT
expect_text() {
    [ "$2" = "$3" ] || {
        printf '%s\n--- wanted\n%s\n--- got\n%s\n' "$1" "$2" "$3" >&2
        exit 1
    }
}

# expect_line WHAT PATTERN TEXT: some line matches the extended regular expression as a whole.
expect_line() {
    grep -qxE -- "$2" <<<"$3" || {
        printf '%s\n--- wanted a line\n%s\n--- got\n%s\n' "$1" "$2" "$3" >&2
        exit 1
    }
}

# expect_run STATUS WANTED COMMAND...: the standard output and error together, and the exit status.
expect_run() {
    local status=0 wanted_status=$1 wanted=$2 said
    shift 2
    said=$("$@" 2>&1) || status=$?
    expect_text "\$ $*" "$wanted" "$said"
    expect_text "exit status of $*" "$wanted_status" "$status"
}

# The names that answer COUNT connections to the Service, the pods of a subset together.
split_of() {
    sandbox_run client pod connect 10.96.0.7:80 "$1" |
        awk '{ sub(/-[0-9]+$/, "", $2); sum[$2] += $1 } END { for (name in sum) print name, sum[name] }' |
        sort
}

# fleetman_without_rule: the example's documents but its VirtualService.
fleetman_without_rule() {
    awk 'BEGIN { RS = "---\n"; ORS = "---\n" } !/kind: VirtualService/' deploy/examples/fleetman.yaml
}

# web_rule WEIGHT WEIGHT: pods with app=web get safe and risky by these weights, everyone else safe alone.
web_rule() {
    cat <<EOF
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: fleetman-staff-service, namespace: default}
spec:
  hosts: [fleetman-staff-service]
  http:
    - match: [{sourceLabels: {app: web}}]
      route:
        - {destination: {host: fleetman-staff-service, subset: safe}, weight: $1}
        - {destination: {host: fleetman-staff-service, subset: risky}, weight: $2}
    - route: [{destination: {host: fleetman-staff-service, subset: safe}}]
EOF
}
