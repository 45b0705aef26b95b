#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a user reads when something is wrong, and that nothing of it is put into force.
# shellcheck source=tests/e2e/expect.sh
. "$(dirname "$0")/expect.sh"

expect_run 1 "error: cannot reach the agent at $VSPLIT_SOCKET: No such file or directory; is vsplitd running?" \
    vsplit get vs
sandbox_agent --observe=on
cd "$SANDBOX"

sed 's/ *subset: risky/&\n          wieght: 10/; s/^      http:/&/' "$OLDPWD/$PLAIN" |
    sed 's/^            subset: safe/&\n            fallback: true/' >unknown.yaml
said=$(vsplit apply -f unknown.yaml 2>&1) && exit 1
expect_line "an unknown field" 'unknown\.yaml:14:13: VirtualService default/fleetman-staff-service: spec\.http\[0\]\.route\[0\]\.destination\.fallback: unknown field, allowed are host, port, subset' "$said"
expect_line "and the next one, at once" 'unknown\.yaml:19:11: VirtualService default/fleetman-staff-service: spec\.http\[0\]\.route\[1\]\.wieght: unknown field, did you mean "weight"\?' "$said"

# Of several files the one with the fault is named, with its own lines, and none is applied.
printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n' >good.yaml
printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop2\n  colour: red\n' >bad.yaml
said=$(vsplit apply -f good.yaml -f bad.yaml 2>&1) && exit 1
expect_line "the file is named" 'Error from server \(Invalid\): bad\.yaml:5:3: Namespace shop2: metadata\.colour: unknown field.*' "$said"
expect_run 1 'Error from server (NotFound): namespaces "shop" not found' vsplit get ns shop

# The same without an agent.
said=$(vsplit --socket /nowhere validate -f good.yaml -f bad.yaml 2>&1) && exit 1
expect_line "validate names the file" 'error: bad\.yaml:5:3: Namespace shop2: metadata\.colour: unknown field.*' "$said"
expect_line "and counts" 'error: 1 object invalid' "$said"
expect_run 0 '1 object valid' vsplit --socket /nowhere validate -f good.yaml
expect_run 0 '{"source":"good.yaml","index":0,"kind":"Namespace","namespace":"","name":"shop","valid":null,"errors":[],"warnings":[]}' \
    vsplit --socket /nowhere validate -f good.yaml -o json

sed 's/^    - route:/    - mirror:\n        host: other\n      route:/' "$OLDPWD/$PLAIN" >mirror.yaml
said=$(vsplit apply --dry-run -f mirror.yaml 2>&1)
expect_line "a field that cannot be honoured" 'Warning: mirror\.yaml:[0-9]+:[0-9]+: VirtualService default/fleetman-staff-service: spec\.http\[0\]\.mirror: needs the request, not enforced' "$said"

expect_run 1 'error: the path "nowhere.yaml" does not exist' vsplit apply -f nowhere.yaml
expect_run 1 "error: the server doesn't have a resource type \"gateways\"; it has namespaces (ns), nodes (no), pods (po), services (svc), endpointslices, workloadentries (we), serviceentries (se), destinationrules (dr), virtualservices (vs), sidecars" \
    vsplit get gateways
expect_run 1 'Error from server (NotFound): services "none" not found' vsplit delete svc none
expect_run 0 '' vsplit delete svc none --ignore-not-found
expect_run 2 "error: --filename is required
See 'vsplit apply --help' for usage." vsplit apply
expect_run 2 "error: delete: needs either -f FILE or KIND NAME
See 'vsplit delete --help' for usage." vsplit delete
expect_run 0 'No resources found in default namespace.' vsplit get vs
expect_run 0 'No resources found' vsplit get vs -A
