// SPDX-License-Identifier: Apache-2.0
// Where the API server is and how it knows us: as client-go's rest.InClusterConfig and clientcmd.
#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

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

Result<std::string> DecodeBase64(const std::string& text, const std::string& what) {
  const std::unique_ptr<EVP_ENCODE_CTX, decltype(&EVP_ENCODE_CTX_free)> context(
      EVP_ENCODE_CTX_new(), EVP_ENCODE_CTX_free);
  std::string bytes(text.size(), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(bytes.data());  // as OpenSSL has bytes
  const auto* const in = reinterpret_cast<const unsigned char*>(text.data());
  int size = 0;
  int rest = 0;
  EVP_DecodeInit(context.get());
  if (EVP_DecodeUpdate(context.get(), out, &size, in, static_cast<int>(text.size())) < 0 ||
      EVP_DecodeFinal(context.get(), out + size, &rest) < 0) {
    return Fail(what + " is not base64", Error::Reason::kInvalid);
  }
  bytes.resize(static_cast<std::size_t>(size + rest));
  return bytes;
}

// "https://10.0.0.1:6443", "https://[::1]:6443", "http://127.0.0.1:8001"
Result<ApiServer> ReadUrl(const std::string& url) {
  ApiServer server;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    server.tls = false;
  } else {
    return Fail("the server \"" + url + "\" begins with neither https:// nor http://",
                Error::Reason::kInvalid);
  }
  if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  std::size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) {
      return Fail("the server \"" + url + "\" has no end of its address", Error::Reason::kInvalid);
    }
    server.host = rest.substr(1, end - 1);
    colon = end + 1 < rest.size() ? end + 1 : std::string_view::npos;
  } else {
    server.host = rest.substr(0, colon);
  }
  server.port = server.tls ? "443" : "80";
  if (colon != std::string_view::npos) {
    server.port = rest.substr(colon + 1);
  }
  const bool digits = !server.port.empty() && server.port.size() <= 5 &&
                      std::ranges::all_of(server.port, [](char c) { return c >= '0' && c <= '9'; });
  if (server.host.empty() || !digits || std::stoul(server.port) > 65535 ||
      server.host.find('/') != std::string::npos) {
    return Fail("the server \"" + url + "\" is not https://HOST[:PORT]", Error::Reason::kInvalid);
  }
  return server;
}

// One kubeconfig, whose relative paths begin at its folder.
class Kubeconfig {
 public:
  Kubeconfig(YAML::Node root, const std::string& path)
      : root_(std::move(root)), folder_(std::filesystem::path(path).parent_path()) {}

  Result<ApiServer> Server() const {
    const std::string context_name = Text(root_["current-context"]);
    const YAML::Node context = Named("contexts", context_name, "context");
    const YAML::Node cluster = Named("clusters", Text(context["cluster"]), "cluster");
    const YAML::Node user = Named("users", Text(context["user"]), "user");
    if (!cluster.IsMap()) {
      return Fail("the current context \"" + context_name + "\" names no cluster",
                  Error::Reason::kInvalid);
    }
    for (const char* field : {"proxy-url", "insecure-skip-tls-verify"}) {
      if (cluster[field] && Text(cluster[field]) != "false") {
        return Unsupported("cluster", field);
      }
    }
    for (const char* field : {"exec", "auth-provider", "username", "as"}) {
      if (user.IsMap() && user[field]) {
        return Unsupported("user", field);
      }
    }
    Result<ApiServer> server = ReadUrl(Text(cluster["server"]));
    if (!server) {
      return server;
    }
    server->server_name = Text(cluster["tls-server-name"]);
    const Result<std::string> ca = Content(cluster, "certificate-authority");
    const Result<std::string> certificate = Content(user, "client-certificate");
    const Result<std::string> key = Content(user, "client-key");
    for (const Result<std::string>* part : {&ca, &certificate, &key}) {
      if (!*part) {
        return tl::unexpected<Error>(part->error());
      }
    }
    server->ca = *ca;
    server->certificate = *certificate;
    server->key = *key;
    if (user.IsMap()) {
      server->token = Text(user["token"]);
      if (const std::string file = Text(user["tokenFile"]); !file.empty()) {
        server->token_file = (folder_ / file).string();
      }
    }
    if (!server->tls && !(server->token.empty() && server->token_file.empty())) {
      return Fail("its server is http://, to which no token is sent", Error::Reason::kInvalid);
    }
    return server;
  }

 private:
  static std::string Text(const YAML::Node& node) {
    return node && node.IsScalar() ? node.Scalar() : std::string{};
  }

  static tl::unexpected<Error> Unsupported(const char* part, const char* field) {
    return Fail(std::string("its ") + part + " has \"" + field + "\", which is not supported",
                Error::Reason::kInvalid);
  }

  YAML::Node Named(const char* list, const std::string& name, const char* field) const {
    const YAML::Node entries = root_[list];
    for (std::size_t i = 0; entries && entries.IsSequence() && i < entries.size(); ++i) {
      if (entries[i].IsMap() && Text(entries[i]["name"]) == name && entries[i][field]) {
        return entries[i][field];
      }
    }
    return YAML::Node(YAML::NodeType::Null);
  }

  // NAME-data in base64, else the file that NAME says, else nothing.
  Result<std::string> Content(const YAML::Node& node, const std::string& name) const {
    if (!node.IsMap()) {
      return std::string{};
    }
    if (const std::string data = Text(node[name + "-data"]); !data.empty()) {
      return DecodeBase64(data, name + "-data");
    }
    const std::string file = Text(node[name]);
    return file.empty() ? std::string{} : ReadFile((folder_ / file).string());
  }

  YAML::Node root_;
  std::filesystem::path folder_;
};

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
  Result<ApiServer> server =
      ReadUrl(std::string("https://") + (v6 ? "[" : "") + host + (v6 ? "]:" : ":") + port);
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
  try {
    const YAML::Node root = YAML::Load(*text);
    if (!root.IsMap()) {
      return Fail(path + " is no kubeconfig", Error::Reason::kInvalid);
    }
    Result<ApiServer> server = Kubeconfig(root, path).Server();
    return server ? server : Fail(path, server.error());
  } catch (const YAML::Exception& error) {
    // Without the text that is wrong: it may hold a secret.
    return Fail(path + ": it is not YAML at line " + std::to_string(error.mark.line + 1),
                Error::Reason::kInvalid);
  }
}

}  // namespace vsplit
