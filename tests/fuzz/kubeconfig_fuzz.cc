// SPDX-License-Identifier: Apache-2.0
// Any bytes as a kubeconfig: what is accepted names a server that can be asked for, sends no secret
// over plain HTTP, and means the same when it is written down again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "kubeconfig.h"
#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace {

using nlohmann::json;
using vsplit::ApiServer;
using vsplit::Result;

void Require(bool holds, const char* what, const ApiServer& server) {
  if (!holds) {
    std::fprintf(stderr, "%s: \"%s\" \"%s\"\n", what, server.host.c_str(), server.port.c_str());
    std::abort();
  }
}

std::string Url(const ApiServer& server) {
  const bool bracketed = server.host.find(':') != std::string::npos;
  return (server.tls ? "https://" : "http://") +
         (bracketed ? "[" + server.host + "]" : server.host) + ":" + server.port;
}

// Files are named for what they hold.
std::string Written(const ApiServer& server) {
  json cluster = {{"server", Url(server)}, {"tls-server-name", server.server_name}};
  json user = {{"token", server.token}, {"tokenFile", server.token_file}};
  if (!server.ca.empty()) {
    cluster["certificate-authority"] = "ca";
  }
  if (!server.certificate.empty()) {
    user["client-certificate"] = "certificate";
  }
  if (!server.key.empty()) {
    user["client-key"] = "key";
  }
  return json{{"current-context", "c"},
              {"contexts", {{{"name", "c"}, {"context", {{"cluster", "k"}, {"user", "u"}}}}}},
              {"clusters", {{{"name", "k"}, {"cluster", cluster}}}},
              {"users", {{{"name", "u"}, {"user", user}}}}}
      .dump(-1, ' ', true, json::error_handler_t::ignore);
}

// What YAML reads in JSON's escapes as JSON does: beyond the first plane it does not.
bool IsAscii(const ApiServer& server) {
  return std::ranges::all_of(server.token + server.token_file + server.server_name,
                             [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using vsplit::kubernetes::ReadKubeconfig;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const auto echo = [](const std::string& path) { return Result<std::string>(path); };
  const Result<ApiServer> server = ReadKubeconfig(text, "/etc/kubeconfig", echo);
  if (!server) {
    return 0;
  }
  const unsigned long port = std::stoul(server->port);
  Require(port > 0 && port <= 65535 && !server->host.empty(), "nowhere", *server);
  Require(server->host.find_first_of("/@?#[] \r\n") == std::string::npos, "no host", *server);
  Require(server->tls || (server->token.empty() && server->token_file.empty()), "open", *server);
  const auto contents = [&](const std::string& path) -> Result<std::string> {
    return path == "/ca" ? server->ca : path == "/key" ? server->key : server->certificate;
  };
  const Result<ApiServer> again = ReadKubeconfig(Written(*server), "/kubeconfig", contents);
  Require(!IsAscii(*server) || (again && *again == *server),
          again ? "not the same" : again.error().message.c_str(), *server);
  return 0;
}
