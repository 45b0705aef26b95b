// SPDX-License-Identifier: Apache-2.0
// Host names as Istio reads them: pkg/config/host and ResolveShortnameToFQDN of pilot/pkg/model.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/address.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

char LowerCase(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

}  // namespace

HostName QualifyHost(std::string_view host, std::string_view ns, std::string_view domain) {
  HostName full(host);
  std::ranges::transform(full, full.begin(), LowerCase);
  const bool is_short = !full.empty() && full != "*" && full.find('.') == HostName::npos;
  if (is_short && !ParseIpAddress(full)) {
    if (!ns.empty()) {
      full.append(".").append(ns);
    }
    if (!domain.empty()) {
      full.append(".svc.").append(domain);
    }
  }
  if (full.size() > 1 && full.back() == '.') {
    full.pop_back();
  }
  return full;
}

HostName ServiceHost(std::string_view ns, std::string_view name, std::string_view domain) {
  HostName host;
  host.reserve(name.size() + ns.size() + domain.size() + 6);
  return host.append(name).append(".").append(ns).append(".svc.").append(domain);
}

std::optional<std::pair<std::string, std::string>> ServiceOfHost(std::string_view host,
                                                                 std::string_view domain) {
  constexpr std::string_view kInfix = ".svc.";
  if (!host.ends_with(domain)) {
    return std::nullopt;
  }
  host.remove_suffix(domain.size());
  if (!host.ends_with(kInfix)) {
    return std::nullopt;
  }
  host.remove_suffix(kInfix.size());
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos || host.find('*') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view name = host.substr(0, dot);
  const std::string_view ns = host.substr(dot + 1);
  if (name.empty() || ns.empty() || ns.find('.') != std::string_view::npos) {
    return std::nullopt;
  }
  return std::make_pair(std::string(ns), std::string(name));
}

HostName PlainHost(std::string_view host) {
  return QualifyHost(host, "", "");
}

}  // namespace vsplit
