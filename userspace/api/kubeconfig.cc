// SPDX-License-Identifier: Apache-2.0
#include "kubeconfig.h"

#include <string>
#include <utility>

#include "json.h"
#include "tls.h"

namespace vsplit {

std::string KubeconfigText(const std::string& server, const std::string& certificate,
                           const std::string& token) {
  const Json user = token.empty() ? Json::object() : Json{{"token", token}};
  const auto named = [](const char* field, Json value) {
    return Json::array({{{"name", "vsplit"}, {field, std::move(value)}}});
  };
  const Json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "vsplit"},
      {"clusters",
       named("cluster", {{"server", server}, {"certificate-authority-data", Base64(certificate)}})},
      {"users", named("user", user)},
      {"contexts",
       named("context", {{"cluster", "vsplit"}, {"user", "vsplit"}, {"namespace", "default"}})}};
  constexpr int kIndent = 2;
  return config.dump(kIndent) + "\n";
}

}  // namespace vsplit
