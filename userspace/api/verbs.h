// SPDX-License-Identifier: Apache-2.0
// What can be done at a place.
#pragma once

#include "call.h"
#include "failure.h"
#include "place.h"
#include "vsplit/api.h"

namespace vsplit {

Outcome<Response> Get(const Call& call, const Place& place);
Outcome<Response> List(const Call& call, const Place& place);

Outcome<Response> Post(const Call& call, const Place& place);
Outcome<Response> Put(const Call& call, const Place& place);
Outcome<Response> Patch(const Call& call, const Place& place);
Outcome<Response> Delete(const Call& call, const Place& place);
Outcome<Response> DeleteCollection(const Call& call, const Place& place);

}  // namespace vsplit
