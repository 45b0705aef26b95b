// SPDX-License-Identifier: Apache-2.0
// Where the API server is and how it knows us: as client-go's rest.InClusterConfig and clientcmd.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "kubeconfig.h"
#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kFileBytes = 1u << 20;

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return FailErrno("open " + path);
  }
  std::string text(kFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (text.size() > kFileBytes) {
    return Fail(path + " has more than " + std::to_string(kFileBytes) + " bytes",
                Error::Reason::kInvalid);
  }
  return text;
}

}  // namespace

Result<ApiServer> InClusterServer(const std::string& folder) {
  // NOLINTBEGIN(concurrency-mt-unsafe): read before any thread
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  // NOLINTEND(concurrency-mt-unsafe)
  if (host == nullptr || port == nullptr) {
    return Fail(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod of a "
        "cluster; --kubeconfig names another way",
        Error::Reason::kNotFound);
  }
  const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
  Result<ApiServer> server = kubernetes::ReadUrl(std::string("https://") + (v6 ? "[" : "") + host +
                                                 (v6 ? "]:" : ":") + port);
  if (!server) {
    return server;
  }
  const Result<std::string> ca = ReadFile(folder + "/ca.crt");
  if (!ca) {
    return tl::unexpected<Error>(ca.error());
  }
  server->ca = *ca;
  server->token_file = folder + "/token";
  return server;
}

std::string PodNamespace(const std::string& folder) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read before any thread
  if (const char* const given = std::getenv("POD_NAMESPACE"); given != nullptr) {
    return given;
  }
  return ReadFile(folder + "/namespace").value_or("");
}

Result<ApiServer> KubeconfigServer(const std::string& path) {
  const Result<std::string> text = ReadFile(path);
  if (!text) {
    return tl::unexpected<Error>(text.error());
  }
  return kubernetes::ReadKubeconfig(*text, path, ReadFile);
}

}  // namespace vsplit
