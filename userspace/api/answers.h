// SPDX-License-Identifier: Apache-2.0
// The answers to each group of paths.
#pragma once

#include "call.h"
#include "failure.h"
#include "vsplit/api.h"

namespace vsplit {

// /api/v1/... and /apis/GROUP/VERSION/...: one kind of objects.h, or an object of it.
Outcome<Response> AnswerResource(const Call& call);

// GET /api, /apis, /api/VERSION, /apis/GROUP and /apis/GROUP/VERSION: what there is.
Outcome<Response> AnswerCoreVersions(const Call& call);
Outcome<Response> AnswerGroups(const Call& call);
Outcome<Response> AnswerDiscovery(const Call& call);
// GET /version: of the Kubernetes API that is spoken, with the agent's behind it.
Outcome<Response> AnswerVersion(const Call& call);

// GET /openapi/v2 and /openapi/v3[/GROUP/VERSION]: what may be in objects.
Outcome<Response> AnswerSchemasV2(const Call& call);
Outcome<Response> AnswerSchemasV3(const Call& call);

// POST /apis/vsplit.io/v1/apply and /delete: many objects in one transaction.
Outcome<Response> AnswerApply(const Call& call);
Outcome<Response> AnswerDelete(const Call& call);

// POST /apis/vsplit.io/v1/token, GET /apis/vsplit.io/v1/kubeconfig: to ask over TLS.
Outcome<Response> AnswerToken(const Call& call);
Outcome<Response> AnswerKubeconfig(const Call& call);

// POST of SelfSubjectReview, SelfSubjectAccessReview and SelfSubjectRulesReview: who asks, and what
// that user may do.
Outcome<Response> AnswerWhoAmI(const Call& call);
Outcome<Response> AnswerAccessReview(const Call& call);
Outcome<Response> AnswerRulesReview(const Call& call);

// GET /api/v1/[namespaces/NS/]events: what the agent finds about objects.
bool IsEvents(const Call& call);
Outcome<Response> AnswerEvents(const Call& call);

}  // namespace vsplit
