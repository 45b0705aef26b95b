// SPDX-License-Identifier: Apache-2.0
#include "kubeconfig.h"

#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {
namespace {

Result<std::string> DecodeBase64(const std::string& text, const std::string& what) {
  const std::unique_ptr<EVP_ENCODE_CTX, decltype(&EVP_ENCODE_CTX_free)> context(
      EVP_ENCODE_CTX_new(), EVP_ENCODE_CTX_free);
  std::string bytes(text.size(), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(bytes.data());  // as OpenSSL has bytes
  const auto* const in = reinterpret_cast<const unsigned char*>(text.data());
  int size = 0;
  int rest = 0;
  EVP_DecodeInit(context.get());
  if (text.find('-') != std::string::npos ||  // which OpenSSL takes for the end
      EVP_DecodeUpdate(context.get(), out, &size, in, static_cast<int>(text.size())) < 0 ||
      EVP_DecodeFinal(context.get(), out + size, &rest) < 0) {
    return Fail(what + " is not base64", Error::Reason::kInvalid);
  }
  bytes.resize(static_cast<std::size_t>(size) + static_cast<std::size_t>(rest));
  return bytes;
}

// One kubeconfig, whose relative paths begin at its folder.
class Kubeconfig {
 public:
  Kubeconfig(const YAML::Node& root, const std::string& path, const FileReader& read)
      : root_(root), folder_(std::filesystem::path(path).parent_path()), read_(read) {}

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
    const std::string data = Text(node[name + "-data"]);
    const std::string file = Text(node[name]);
    if (data.empty() && file.empty()) {
      return std::string{};
    }
    const std::string what = data.empty() ? name + " " + file : name + "-data";
    Result<std::string> content =
        data.empty() ? read_((folder_ / file).string()) : DecodeBase64(data, what);
    if (content && content->empty()) {  // it would count as not given
      return Fail(what + " is empty", Error::Reason::kInvalid);
    }
    return content;
  }

  YAML::Node root_;
  std::filesystem::path folder_;
  const FileReader& read_;
};

}  // namespace

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
  const bool bracketed = rest.starts_with('[');
  const std::size_t end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string_view::npos) {
    return Fail("the server \"" + url + "\" has no end of its address", Error::Reason::kInvalid);
  }
  server.host = bracketed ? rest.substr(1, end - 1) : rest.substr(0, end);
  rest.remove_prefix(std::min(bracketed ? end + 1 : end, rest.size()));
  server.port = server.tls ? "443" : "80";
  if (!rest.empty()) {
    server.port = rest.substr(1);
  }
  const bool named = std::ranges::all_of(server.host, [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' ||
           (bracketed && c == ':');
  });
  const bool digits = !server.port.empty() && server.port.size() <= 5 &&
                      std::ranges::all_of(server.port, [](char c) { return c >= '0' && c <= '9'; });
  if (server.host.empty() || !named || !(rest.empty() || rest.starts_with(':')) || !digits ||
      std::stoul(server.port) > 65535 || std::stoul(server.port) == 0) {
    return Fail("the server \"" + url + "\" is not https://HOST[:PORT]", Error::Reason::kInvalid);
  }
  return server;
}

Result<ApiServer> ReadKubeconfig(const std::string& text, const std::string& path,
                                 const FileReader& read) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) {
      return Fail(path + " is no kubeconfig", Error::Reason::kInvalid);
    }
    Result<ApiServer> server = Kubeconfig(root, path, read).Server();
    return server ? server : Fail(path, server.error());
  } catch (const YAML::Exception& error) {
    // Without the text that is wrong: it may hold a secret.
    return Fail(path + ": it is not YAML at line " + std::to_string(error.mark.line + 1),
                Error::Reason::kInvalid);
  }
}

}  // namespace vsplit::kubernetes
