// SPDX-License-Identifier: Apache-2.0
// What of a document's metadata and status a client may say. Source: Kubernetes API conventions.
#pragma once

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {

// Takes from the document what only the server says, or puts there what the server said before.
// `kept` is the live object's document; null: there is none.
void RuleMetadata(Kind kind, const Json& kept, Json& document);

// The part of a status that is not the agent's own: without the fields that it sets and the
// conditions of its types. `agents` is its status, or null.
Json StatusOfOthers(Json status, const Json& agents);
// The same put together again: the agent's own wins.
Json WholeStatus(const Json& others, const Json& agents);

// Whether the document has a finalizer.
bool HasFinalizers(const Json& document);
bool IsDeleting(const Json& document);
// The document of an object that goes when its last finalizer does.
void MarkDeleting(Json& document, const std::string& now);

}  // namespace vsplit
