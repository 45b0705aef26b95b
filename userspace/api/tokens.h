// SPDX-License-Identifier: Apache-2.0
// Who may ask the listener for kubectl: whoever shows the token of the kubeconfig, and users that
// were given one of their own, for as long as it holds.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {

// What the holder of the kubeconfig's token is called. No user of the machine can be: names have no
// colon.
inline constexpr const char* kKubeconfigUser = "system:kubeconfig";

class Tokens {
 public:
  using Clock = std::chrono::steady_clock;

  // `kubeconfig`: the token that holds as long as this does.
  Tokens(std::string kubeconfig, std::chrono::seconds lifetime,
         std::function<Clock::time_point()> now);

  // A user's token is the same for half of its life, so that at most two of one user hold. Fails
  // when too many users have one.
  Result<AccessToken> Issue(const std::string& user);

  // Who shows this Authorization header; nothing: nobody who is known. Takes as long whichever
  // token of the right length it is not.
  std::optional<std::string> UserOf(std::string_view authorization) const;

 private:
  struct Issued {
    std::string token;
    Clock::time_point ends;
  };
  struct OfUser {
    Issued latest, before;
  };

  std::string kubeconfig_;
  std::chrono::seconds lifetime_;
  std::function<Clock::time_point()> now_;
  std::map<std::string, OfUser> users_;
};

}  // namespace vsplit
