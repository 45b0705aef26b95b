// SPDX-License-Identifier: Apache-2.0
// The answers to each group of paths.
#pragma once

#include "call.h"
#include "failure.h"
#include "vsplit/api.h"

namespace vsplit {

// /api/v1/... and /apis/GROUP/VERSION/...: one kind of objects.h, or an object of it.
Outcome<Response> AnswerResource(const Call& call);

// POST /apis/vsplit.io/v1/apply and /delete: many objects in one transaction.
Outcome<Response> AnswerApply(const Call& call);
Outcome<Response> AnswerDelete(const Call& call);

// GET /api/v1/[namespaces/NS/]events: what the agent finds about objects.
bool IsEvents(const Call& call);
Outcome<Response> AnswerEvents(const Call& call);

}  // namespace vsplit
