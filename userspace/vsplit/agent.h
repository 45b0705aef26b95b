// SPDX-License-Identifier: Apache-2.0
// The agent as the command line sees it: HTTP over its Unix socket, one connection per request.
// Error messages are complete lines as the user is to read them: "error: ..." for what went wrong
// here, "Error from server (NotFound): ..." for what the agent refused.
#pragma once

#include <string>
#include <string_view>

#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit {

struct AgentRequest {
  std::string method = "GET";
  std::string target;  // path and query
  std::string accept = "application/json";
  std::string body;
};

class Agent {
 public:
  explicit Agent(std::string socket) : socket_(std::move(socket)) {}

  // The body of a successful answer.
  Result<std::string> Call(const AgentRequest& request) const;
  Result<Json> CallJson(const AgentRequest& request) const;

 private:
  std::string socket_;
};

// What a refusal reads like: `body` is a Kubernetes Status, or any text.
Error RefusalOf(unsigned status, const std::string& body);

}  // namespace vsplit
