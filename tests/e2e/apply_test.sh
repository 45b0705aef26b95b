#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Both forms of a user's VirtualService apply, and the connections follow their weights exactly.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

sandbox_fleetman
sandbox_agent --observe=on

fleetman_without_rule >"$SANDBOX/service.yaml"
expect_run 0 'service/fleetman-staff-service created
endpointslice.discovery.k8s.io/fleetman-staff-service-1 created
pod/fleetman-safe-1 created
pod/fleetman-safe-2 created
pod/fleetman-safe-3 created
pod/fleetman-risky-1 created
destinationrule.networking.istio.io/fleetman-staff-service created' \
    vsplit apply -f "$SANDBOX/service.yaml"

rule=virtualservice.networking.istio.io/fleetman-staff-service
expect_text "dry run" "$rule created (server dry run)" \
    "$(vsplit apply --dry-run -f $KIALI 2>/dev/null | head -1)"
expect_run 1 'Error from server (NotFound): virtualservices.networking.istio.io "fleetman-staff-service" not found' \
    vsplit get vs fleetman-staff-service

for form in "$KIALI" "$PLAIN"; do
    expect_text "apply $form" "$rule created" "$(vsplit apply -f "$form" 2>"$SANDBOX/warnings")"
    expect_line "the weights are of connections" 'Warning: VirtualService default/fleetman-staff-service: spec\.http\[0\]: .*: approximated: .*' \
        "$(cat "$SANDBOX/warnings")"
    expect_text "apply $form again" "$rule unchanged" "$(vsplit apply -f "$form" 2>/dev/null)"
    expect_text "1000 connections at 90/10" 'risky 100
safe 900' "$(split_of 1000)"
    expect_run 0 'virtualservice.networking.istio.io "fleetman-staff-service" deleted' \
        vsplit delete -f "$form"
done

vsplit apply -f $PLAIN >/dev/null 2>&1
image=$(vsplit get image)
dry=$(vsplit apply --dry-run -f deploy/examples/fleetman-50.yaml 2>/dev/null)
expect_line "dry run: the rule" '.*VirtualService default/fleetman-staff-service: spec\.http\[0\]: .*approximated.*' "$dry"
expect_line "dry run: the table" '\+ +cluster outbound\|80\|safe\|.* weight 1 .*' "$dry"
expect_text "a dry run changes nothing" "$image" "$(vsplit get image)"
expect_text "apply the other weights" "$rule configured" \
    "$(vsplit apply -f deploy/examples/fleetman-50.yaml 2>/dev/null)"
expect_text "1000 connections at 50/50" 'risky 500
safe 500' "$(split_of 1000)"

# Several files, a folder and the standard input are one transaction each.
mkdir "$SANDBOX/rules"
cp deploy/examples/fleetman-50.yaml "$SANDBOX/rules/b.yaml"
cp "$SANDBOX/service.yaml" "$SANDBOX/rules/a.yml"
expect_text "apply a folder" 8 \
    "$(vsplit apply -f "$SANDBOX/rules" 2>/dev/null | grep -c ' unchanged$')"
expect_text "apply the standard input" "$rule configured" \
    "$(vsplit apply -f - <$PLAIN 2>/dev/null)"
