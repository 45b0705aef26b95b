// SPDX-License-Identifier: Apache-2.0
// What a client of the Unix socket needs to ask over TLS.
#include <string>
#include <tl/expected.hpp>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "json.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {

Outcome<Response> AnswerToken(const Call& call) {
  if (!call.request.local) {  // else a token would be good for another, without end
    return tl::unexpected(Failure{.code = 403,
                                  .reason = "Forbidden",
                                  .message = "tokens are issued over the Unix socket alone"});
  }
  const Result<AccessToken> issued = call.backend.issue_token(call.request.user);
  if (!issued) {
    return tl::unexpected(FailureOf(issued.error()));
  }
  return Response{.status = 201,
                  .body = Dump({{"user", call.request.user},
                                {"token", issued->token},
                                {"expirationTimestamp", issued->expires}})};
}

Outcome<Response> AnswerKubeconfig(const Call& call) {
  const Result<std::string> config = call.backend.kubeconfig();
  if (!config) {
    return tl::unexpected(FailureOf(config.error()));
  }
  return Response{.body = *config};
}

}  // namespace vsplit
