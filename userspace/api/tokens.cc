// SPDX-License-Identifier: Apache-2.0
#include "tokens.h"

#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "tls.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kUsers = 256;

// In `left` from now, by the clock on the wall.
std::string WallTime(Tokens::Clock::duration left) {
  const auto then = std::chrono::system_clock::now() +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(left);
  const std::time_t seconds = std::chrono::system_clock::to_time_t(then);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::string text(sizeof("2024-10-10T07:03:57Z"), '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
  return text;
}

}  // namespace

Tokens::Tokens(std::string kubeconfig, std::chrono::seconds lifetime,
               std::function<Clock::time_point()> now)
    : kubeconfig_(std::move(kubeconfig)), lifetime_(lifetime), now_(std::move(now)) {}

Result<AccessToken> Tokens::Issue(const std::string& user) {
  const Clock::time_point now = now_();
  std::erase_if(users_, [now](const auto& entry) { return entry.second.latest.ends <= now; });
  if (users_.size() >= kUsers && !users_.contains(user)) {
    return Fail("tokens of " + std::to_string(kUsers) + " users hold already",
                Error::Reason::kForbidden);
  }
  if (const auto known = users_.find(user);
      known == users_.end() || known->second.latest.ends - now < lifetime_ / 2) {
    Result<std::string> token = MakeToken();
    if (!token) {
      return tl::unexpected<Error>(token.error());
    }
    OfUser& mine = users_[user];
    mine.before = std::exchange(mine.latest, {.token = *std::move(token), .ends = now + lifetime_});
  }
  const Issued& latest = users_[user].latest;
  return AccessToken{.token = latest.token, .expires = WallTime(latest.ends - now)};
}

std::optional<std::string> Tokens::UserOf(std::string_view authorization) const {
  const Clock::time_point now = now_();
  std::optional<std::string> found;
  if (IsBearer(authorization, kubeconfig_)) {
    found = kKubeconfigUser;
  }
  for (const auto& [user, tokens] : users_) {
    for (const Issued* issued : {&tokens.latest, &tokens.before}) {
      if (now < issued->ends && IsBearer(authorization, issued->token)) {
        found = user;
      }
    }
  }
  return found;
}

}  // namespace vsplit
