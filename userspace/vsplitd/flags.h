// SPDX-License-Identifier: Apache-2.0
// The command line of vsplitd.
#pragma once

#include <optional>
#include <string>

#include "agent.h"
#include "vsplit/api.h"

namespace vsplit {

struct Flags {
  bool uninstall = false;  // the verb
  AgentOptions agent;
  ServerOptions server;
  std::optional<KubeOptions> kube;        // nothing: kubectl is not served
  std::optional<MetricsOptions> metrics;  // nothing: by the Unix socket alone
  bool kubernetes = false;                // the objects are those of an API server
  std::string kubeconfig;                 // how to reach it; empty: as a pod does
  bool replace_state = false;             // also if the state file's objects are others'
  // What is written to it.
  struct ClusterWrites {
    bool status = true;  // of rules, by one agent of the cluster
    bool events = true;
  };
  ClusterWrites cluster_writes;
  std::string lease_namespace;  // of the Lease by which the one is found
};

// The flags; or the exit code of a command line that is done with: help, version, or a mistake.
struct FlagsResult {
  std::optional<Flags> flags;
  int exit_code = 0;
};
FlagsResult ParseFlags(int argc, const char* const* argv, const std::string& version);

}  // namespace vsplit
