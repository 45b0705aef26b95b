// SPDX-License-Identifier: Apache-2.0
// What holds of the API's answers, whatever was asked; the fuzzer ends where it does not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api_backend.h"
#include "call.h"
#include "vsplit/api.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::fuzz {

void Require(bool holds, const char* what, std::string_view seen);

// The API over a few objects. Made anew after each write, so that an input always does the same.
class Api {
 public:
  Api();

  Response Answer(const Request& request) const { return vsplit::Answer(request, backend_); }
  Json Get(const std::string& target) const;
  std::vector<ObjectPtr> Objects() const;
  const Backend& backend() const { return backend_; }
  const Store& store() const { return memory_.store(); }
  bool written() const { return !memory_.writer.empty(); }  // or would be, but for a dry run

 private:
  StoreBackend memory_;
  Backend backend_ = memory_.Make();
};

// A watch: lines, each of an event.
std::vector<Json> EventsOf(Stream& stream);

// Of an answer of 200 to a GET: YAML and tables say what JSON says, the pages of a list are the
// list, a selector and its opposite select each object once.
void CheckRead(const Api& api, const Call& call, const Response& response);

// Of what changed an object: it is as the answer says, can be read by an agent that starts, is
// seen by who watches, and who writes what was read changes nothing.
void CheckChange(const Api& api, const Call& call, const Response& response);

// Of a dry run that was not refused: without ?dryRun the same comes to pass.
void CheckForecast(const Api& api, const Call& call, const Response& forecast);

}  // namespace vsplit::fuzz
