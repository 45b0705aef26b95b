# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced after tests/e2e/expect.sh by a test that runs a canary of fleetman-staff-service, from
# image old to image new: a cluster with a kubelet, and a client that connects all the time. Each ten
# connections must be as the weights on the API server say, and none may fail.
# shellcheck source=tests/kubernetes/cluster.sh
. tests/kubernetes/cluster.sh
# shellcheck source=tests/kubernetes/kubelet.sh
. tests/kubernetes/kubelet.sh
rule=fleetman-staff-service

# canary_open DEFINITIONS...: kinds of the controller.
canary_open() {
    trap canary_close EXIT
    say "the control plane starts"
    PLANE_CONTROLLERS=,deployment-controller,replicaset-controller
    cluster_open
    cluster_define "$@"
    sandbox_pod client 10.1.0.2/24
    agent_rights
    start_first
    plane_run kubelet kubelet_run
}
canary_close() {
    [ -z "${CLIENT:-}" ] || stop TERM "$CLIENT" || true
    plane_kill controller
    plane_kill kubelet
    plane_stop
    sandbox_close
}

# The Service, which is there before the controller.
staff_service() {
    cat <<Y
apiVersion: v1
kind: Service
metadata: {name: $rule}
spec:
  clusterIP: 10.96.0.7
  selector: {app: staff}
  ports: [{name: http, port: 80, targetPort: 8080}]
Y
}

# has_pods COUNT: with those that are about to go.
has_pods() { [ "$(kube get pods -o name | wc -l)" -eq "$1" ]; }

# ---- the client ---------------------------------------------------------------------------------

failures() { vsplit status | grep -oE 'failed [0-9]+, refused [0-9]+'; }
all_answer() { [ "$(split_of 10)" = 'old 10' ]; }
# Some hundred connections a second. What went wrong stands in parentheses, in the place of a name.
client_begin() {
    sandbox_await "the pods are connected to" all_answer
    FAILED=$(failures)
    sandbox_run client pod connect 10.96.0.7:80 1000000 --interval 3 --each >"$SANDBOX/answers" &
    CLIENT=$!
    sandbox_await "connections have begun" test -s "$SANDBOX/answers"
}
client_end() {
    stop TERM "$CLIENT"
    CLIENT=
    expect_text "connections that failed" '' "$(grep -n '(' "$SANDBOX/answers" || true)"
    expect_text "connections that failed, as the kernel counts" "$FAILED" "$(failures)"
    say "$(connections) connections, none refused, none lost"
}
connections() { wc -l <"$SANDBOX/answers"; }
has_connections() { [ "$(connections)" -ge "$1" ]; }
# tens BEFORE WANTED: WANTED, if the connections after so many hold that in each ten, from where the
# kernel's blocks begin; else what they hold together.
tens() {
    tail -n +$(($1 + 1)) "$SANDBOX/answers" | sed 's/-[0-9]*$//' | awk -v wanted="$2" '
        BEGIN {
            words = split(wanted, word, " ")
            for (i = 1; i < words; i += 2) want[word[i]] = word[i + 1]
        }
        { name[NR] = $0; sum[$0]++ }
        function exact(from, count, i, each) {
            for (i = from; i < from + 10; i++) count[name[i]]++
            for (each in want)
                if (count[each] != want[each]) return 0
            return 1
        }
        END {
            for (begin = 1; begin <= 10; begin++) {
                for (from = begin; from + 9 <= NR && exact(from);) from += 10
                if (from + 9 > NR) {
                    print wanted
                    exit
                }
            }
            for (each in sum) printf "%s %d ", each, sum[each]
        }'
}

# ---- steps --------------------------------------------------------------------------------------

# weights: what the API server has, the old version's first: "80 20".
weights() { kube get vs "$rule" -o jsonpath='{.spec.http[0].route[*].weight}'; }
weights_are() { [ "$(weights)" = "$1" ]; }
# of_ten OLD NEW: ten connections by these weights of a hundred.
of_ten() {
    [ "${2:-0}" -eq 0 ] || printf 'new %s ' $(($2 / 10))
    [ "$1" -eq 0 ] || printf 'old %s ' $(($1 / 10))
}
# targets: what the kernel's tables say, but for weights of 0, which are not there: "80.0 20.0 ".
targets() {
    vsplit top --once "$rule.default" |
        awk '/^  [^ ]+ +[0-9.]+ % / { printf "%s ", $2 }'
}
targets_of() {
    local weight
    for weight; do
        [ "$weight" -eq 0 ] || printf '%s.0 ' "$weight"
    done
}
# step "OLD NEW" [TEN]: the controller writes these weights, and tables and connections are by them:
# each ten as TEN says, else by the weights.
step() {
    local before wanted
    # shellcheck disable=SC2086 # one word or two
    wanted=${2:-$(of_ten $1)}
    sandbox_await "weights $1 on the API server" weights_are "$1"
    programmed $rule 60s || sandbox_fail "weights $1 are not Programmed"
    # shellcheck disable=SC2086
    expect_text "weights $1 in the kernel" "$(targets_of $1)" "$(targets)"
    before=$(($(connections) + 1)) # one had begun
    sandbox_await "connections go on" has_connections $((before + 200))
    expect_text "each ten connections by weights $1" "$wanted" "$(tens $before "$wanted")"
    weights_are "$1" || sandbox_fail "weights $1 were there for too short a time to look at connections"
    say "weights $1: $wanted"
}
