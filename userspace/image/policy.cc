// SPDX-License-Identifier: Apache-2.0
#include "vsplit/policy.h"

#include <string>

namespace vsplit {

std::string ToString(const Locality& locality) {
  std::string text = locality.region + "/" + locality.zone + "/" + locality.subzone;
  while (!text.empty() && text.back() == '/') {
    text.pop_back();
  }
  return text;
}

std::string ToString(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kLeastRequest:
      return "least_request";
    case Algorithm::kRoundRobin:
      return "round_robin";
    case Algorithm::kRandom:
      return "random";
    case Algorithm::kMaglev:
      return "maglev";
    case Algorithm::kPassthrough:
      break;
  }
  return "passthrough";
}

}  // namespace vsplit
