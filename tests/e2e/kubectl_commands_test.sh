#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands of tests/kubectl/commands, on an agent that has nothing yet. UPDATE=1 writes what kubectl
# says instead of comparing it.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

KUBECTL=${KUBECTL:-$(command -v kubectl || true)}
[ -n "$KUBECTL" ] || sandbox_fail "there is no kubectl: scripts/setup --test installs it (kubernetes-client)"
KUBE_PORT=$(shuf -n 1 -i 20000-29999)
export KUBECTL KUBECONFIG=$SANDBOX/kubeconfig
sandbox_agent --observe=on
tests/kubectl/replay ${UPDATE:+--update}
