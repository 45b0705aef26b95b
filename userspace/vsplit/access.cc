// SPDX-License-Identifier: Apache-2.0
// kubectl as the user who calls it: a kubeconfig without a secret, and the token that kubectl asks
// for each time it needs one (an exec plugin of client.authentication.k8s.io).
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

#include "agent.h"
#include "commands.h"
#include "vsplit/json.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr const char* kAuthentication = "client.authentication.k8s.io/v1beta1";

// In what kubectl asks for, where it says so.
std::string CredentialVersion() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody writes the environment
  const char* const info = std::getenv("KUBERNETES_EXEC_INFO");
  const Json asked = Json::parse(info == nullptr ? "" : info, nullptr, false);
  const std::string version = TextAt(asked, "/apiVersion");
  return version.starts_with("client.authentication.k8s.io/") ? version : kAuthentication;
}

// Of this program, whatever the PATH of who runs kubectl.
std::string Program() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "vsplit" : program.string();
}

}  // namespace

Result<void> PrintToken(const Agent& agent) {
  const Result<Json> issued =
      agent.CallJson({.method = "POST", .target = "/apis/vsplit.io/v1/token"});
  if (!issued) {
    return tl::unexpected<Error>(issued.error());
  }
  const Json credential = {{"apiVersion", CredentialVersion()},
                           {"kind", "ExecCredential"},
                           {"status",
                            {{"expirationTimestamp", TextAt(*issued, "/expirationTimestamp")},
                             {"token", TextAt(*issued, "/token")}}}};
  fmt::print("{}\n", credential.dump());
  return {};
}

Result<void> PrintKubeconfig(const Agent& agent, const std::string& socket) {
  Result<Json> config = agent.CallJson({.target = "/apis/vsplit.io/v1/kubeconfig"});
  if (!config) {
    return tl::unexpected<Error>(config.error());
  }
  (*config)["users"][0]["user"] = {
      {"exec",
       {{"apiVersion", kAuthentication},
        {"command", Program()},
        {"args", {"token", "--socket", std::filesystem::absolute(socket).string()}},
        {"interactiveMode", "Never"}}}};
  fmt::print("{}", JsonToYaml(config->dump()));
  return {};
}

}  // namespace vsplit
