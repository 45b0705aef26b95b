// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line. Each prints its result to the standard output and warnings to the
// standard error; an error's message is complete as the user is to read it (agent.h).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent.h"
#include "vsplit/result.h"

namespace vsplit {

struct ApplyOptions {
  std::vector<std::string> files;
  std::string ns = "default";
  bool dry_run = false;
};
Result<void> Apply(const Agent& agent, const ApplyOptions& options);

struct DeleteOptions {
  std::vector<std::string> files;
  std::vector<std::string> words;  // KIND NAME..., or KIND/NAME...
  std::string ns = "default";
  bool ignore_not_found = false;
};
Result<void> Delete(const Agent& agent, const DeleteOptions& options);

struct GetOptions {
  std::vector<std::string> words;  // KIND[,KIND] [NAME...], KIND/NAME..., "image", "endpoints"
  std::string ns = "default";
  bool all_namespaces = false;
  std::string output;  // "", wide, name, yaml, json
};
Result<void> Get(const Agent& agent, const GetOptions& options);

struct StatusOptions {
  std::string output;  // "", json
};
Result<void> Status(const Agent& agent, const StatusOptions& options);

struct TopOptions {
  bool once = false;
  bool measure = false;  // with once: over one interval, else nothing but totals
  std::chrono::milliseconds interval{1000};
  std::string host;  // only routes whose host or frontend contains this
};
Result<void> Top(const Agent& agent, const TopOptions& options);

struct ExplainOptions {
  std::string from;  // POD or NAMESPACE/POD
  std::string to;    // HOST:PORT
  std::string ns = "default";
  std::string output;  // "", json
};
Result<void> Explain(const Agent& agent, const ExplainOptions& options);

// Without an agent: what the objects of the files mean.
struct RouteOptions {
  std::vector<std::string> files;
  bool recursive = false;
  std::string pod;  // NAMESPACE/NAME of the files; else the next four say who connects
  std::string ns = "default";
  std::string labels;  // KEY=VALUE,...
  std::string node;
  std::string locality;        // REGION/ZONE/SUBZONE
  bool registry_only = false;  // outboundTrafficPolicy of the mesh is REGISTRY_ONLY
  std::string output;          // "", text, json
  bool batch = false;  // questions as JSON lines from the standard input, one answer for each
};
Result<void> Route(const RouteOptions& options);

struct AnalyzeOptions {
  std::vector<std::string> files;  // none: what the agent has
  std::string ns = "default";
  std::string output;  // "", json
};
Result<void> Analyze(const Agent& agent, const AnalyzeOptions& options);

struct ValidateOptions {
  std::vector<std::string> files;
  bool recursive = false;
  std::string ns = "default";
  std::string output;  // "", text, json
};
// Of files alone, no agent. Fails when an object is invalid.
Result<void> Validate(const ValidateOptions& options);

// The credential of an exec plugin of kubectl, for the user who runs this.
Result<void> PrintToken(const Agent& agent);
// A kubeconfig that asks the agent of this socket for one.
Result<void> PrintKubeconfig(const Agent& agent, const std::string& socket);

// "not_a_kind": the message kubectl has for it.
Error UnknownKind(const std::string& word);

}  // namespace vsplit
