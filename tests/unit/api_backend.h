// SPDX-License-Identifier: Apache-2.0
// A backend without a kernel: a store, and what was asked of it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "vsplit/api.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

class StoreBackend {
 public:
  Backend Make() {
    return {
        .version = "0.1",
        .store = &store_,
        .write =
            [this](std::vector<Write> writes, bool dry_run, const std::string& user) {
              writer = user;
              return Transact(std::move(writes), dry_run);
            },
        .read_only = read_only,
        .on_change = [this](std::function<void()> changed) { store_.OnKeep(std::move(changed)); },
        .image = [] { return std::string("frontend 10.96.0.7:80/tcp x\n"); },
        .status = [] { return std::string(R"({"generation":1})") + "\n"; },
        .split = [] { return std::string(R"({"routes":[]})") + "\n"; },
        .analyze = [] { return std::string("[]\n"); },
        .metrics = [] { return std::string("vsplit_generation 1\n"); },
        .not_ready = [this] { return not_ready; },
        .object_status =
            [](const Object& object) {
              return std::string(
                  object.kind() == Kind::kVirtualService ? R"({"observedGeneration":1})" : "");
            },
        .now = [] { return std::string("2024-10-10T07:03:57Z"); },
        .name_suffix = [] { return Result<std::string>("x7b2c"); },
        .explain = [](const std::string& from, const std::string& to) -> Result<Explanation> {
          if (to == "nowhere:80") {
            return Fail("there is no host \"nowhere\"", Error::Reason::kNotFound);
          }
          if (to == "80") {
            return Fail("to \"80\" is not HOST:PORT", Error::Reason::kInvalid);
          }
          const Json json = {{"from", from}};
          return Explanation{.json = Dump(json), .text = to + "\n"};
        },
        .issue_token = [](const std::string& /*user*/) -> Result<AccessToken> {
          return Fail("there is no listener for kubectl", Error::Reason::kNotFound);
        },
        .kubeconfig = []() -> Result<std::string> {
          return Fail("there is no listener for kubectl", Error::Reason::kNotFound);
        }};
  }

  const Store& store() const { return store_; }
  // Something else is said of this VirtualService.
  void Touch(const std::string& name) {
    store_.Touch({{.kind = Kind::kVirtualService, .ns = "default", .name = name}});
    store_.Keep();
  }
  std::vector<std::string> not_ready;
  std::string read_only;
  std::string writer;  // who asked for the last transaction
  Error failure;       // of the next transactions, unless its message is empty

 private:
  Result<Applied> Transact(std::vector<Write> writes, bool dry_run) {
    if (!failure.message.empty()) {
      return tl::unexpected<Error>(failure);
    }
    WriteContext context{.now = "2024-10-10T07:03:57Z", .uids = {}};
    for (std::size_t i = 0; i < writes.size(); ++i) {
      context.uids.push_back("uid-" + std::to_string(++uids_));
    }
    Result<std::vector<Change>> changes = store_.Stage(std::move(writes), context);
    if (!changes) {
      return tl::unexpected<Error>(changes.error());
    }
    dry_run ? store_.Undo() : store_.Keep();
    return Applied{
        .generation = 7, .changes = *std::move(changes), .difference = dry_run ? "+ line\n" : ""};
  }

  Store store_;
  int uids_ = 0;
};

// Of an HTTP answer: "HTTP/1.1 200 OK".
inline std::string FirstLine(const std::string& answer) {
  return answer.substr(0, answer.find("\r\n"));
}

}  // namespace vsplit
