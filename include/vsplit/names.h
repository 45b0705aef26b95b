// SPDX-License-Identifier: Apache-2.0
// DNS names in, addresses out, asked anew as their TTLs end: for ServiceEntry, WorkloadEntry and
// ExternalName, which Istio has Envoy resolve (STRICT_DNS, respect_dns_ttl). All on the caller's
// loop; nothing here blocks. What an answer means for a host is decided by resolve.h.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/result.h"

namespace vsplit {

struct NamesOptions {
  std::vector<SocketAddress> servers;  // all of one port; empty: those of /etc/resolv.conf
  // An answer is asked for again when its TTL has passed, within these bounds. A TTL of 0 says
  // nothing: `max_retry` then, as Envoy with Istio's dnsRefreshRate.
  std::chrono::milliseconds min_ttl{5'000};
  std::chrono::milliseconds max_ttl{3'600'000};
  // After a failure; doubled with each further one up to Envoy's dns_failure_refresh_rate, as Istio
  // sets it.
  std::chrono::milliseconds min_retry{1'000};
  std::chrono::milliseconds max_retry{60'000};
  std::chrono::milliseconds timeout{2'000};  // of one question to one server, doubled each round
  int tries = 3;                             // rounds over all servers
  std::size_t max_names = 4'096;
  std::size_t max_addresses = 256;  // of one name; the lowest ones are kept
  std::size_t max_questions = 64;   // names under way at one time
};

// From an answer to the next question.
std::chrono::milliseconds RefreshAfter(const NamesOptions& options, std::chrono::seconds ttl);
// From the `failures`th failure in a row (from 1) to the next question. `chance`, in [0, 1), takes
// away up to half, so that names that failed together are not asked for together.
std::chrono::milliseconds RetryAfter(const NamesOptions& options, unsigned failures, double chance);

using KnownAddresses = std::map<std::string, std::vector<IpAddress>>;  // by name

struct NameAnswer {
  // Of both families, sorted, each once. The last good answer as long as questions fail, however
  // old it is, as in Envoy. That there is no such name, or that it has no address, is an answer
  // too, and an empty one.
  std::vector<IpAddress> addresses;
  bool answered = false;  // at least once, or known before
  std::string trouble;    // why the last question failed; empty: it did not

  bool operator==(const NameAnswer&) const = default;
};

class Names {
 public:
  // `changed` is called from the loop with the names whose addresses are others than before, never
  // from within a call to this object.
  static Result<Names> Start(boost::asio::io_context& loop, const NamesOptions& options,
                             std::function<void(const std::set<std::string>&)> changed);

  Names(Names&& other) noexcept;
  Names& operator=(Names&& other) noexcept;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names();  // what is under way is given up

  // The names to be resolved from now on. New ones are asked for at once, those left out are
  // forgotten. Of more than max_names the first ones count; returns how many were too many. What is
  // `known` of a new one, from an agent before, is its last good answer.
  std::size_t Want(const std::set<std::string>& names, const KnownAddresses& known = {});

  // One entry for each name wanted.
  const std::map<std::string, NameAnswer>& answers() const;

 private:
  struct State;
  explicit Names(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace vsplit
