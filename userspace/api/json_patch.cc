// SPDX-License-Identifier: Apache-2.0
#include "json_patch.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "field_paths.h"
#include "json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kOperations = 10'000;
constexpr std::size_t kCopiedBytes = std::size_t{3} << 20;  // by "copy" operations, in all
constexpr std::size_t kDepth = 64;                          // of maps and lists

// What the library says, without its own name and number in front.
std::string Reason(const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const std::size_t end = text.find("] ");
  return end == std::string::npos ? text : text.substr(end + 2);
}

// Nesting of maps and lists: 0 for a scalar.
std::size_t DepthOf(const Json& value) {
  std::size_t deepest = 0;
  std::vector<std::pair<const Json*, std::size_t>> open{{&value, 0}};
  while (!open.empty()) {
    const auto [at, depth] = open.back();
    open.pop_back();
    if (!at->is_structured()) {
      continue;
    }
    deepest = std::max(deepest, depth + 1);
    for (const Json& child : *at) {
      open.emplace_back(&child, depth + 1);
    }
  }
  return deepest;
}

class Patcher {
 public:
  explicit Patcher(Json& document) : document_(document) {}

  // May throw the library's exceptions.
  Result<void> Do(const Json& operation) {
    const std::string op = StringIn(operation, "op");
    const Json::json_pointer path(StringIn(operation, "path"));
    if (op == "test") {
      return Test(path, operation.at("value"));
    }
    if (op == "copy" || op == "move") {
      const Json& value = document_.at(Json::json_pointer(StringIn(operation, "from")));
      if (op == "copy") {
        copied_ += value.dump().size();
      }
      if (copied_ > kCopiedBytes) {
        return Fail("the patch copies more than " + std::to_string(kCopiedBytes) + " bytes",
                    Error::Reason::kInvalid);
      }
      return Insert(operation, StringIn(operation, "path"), value);
    }
    if (op == "add" || op == "replace") {
      return Insert(operation, StringIn(operation, "path"), operation.at("value"));
    }
    document_.patch_inplace(Json::array({operation}));  // also says what is wrong with others
    return {};
  }

 private:
  Result<void> Test(const Json::json_pointer& path, const Json& expected) const {
    const Json& found = document_.at(path);
    if (IsSame(found, expected)) {
      return {};
    }
    constexpr std::size_t kShown = 100;
    return Fail("found " + found.dump().substr(0, kShown), Error::Reason::kInvalid);
  }

  Result<void> Insert(const Json& operation, const std::string& path, const Json& value) {
    const auto levels = static_cast<std::size_t>(std::ranges::count(path, '/'));
    if (levels + DepthOf(value) > kDepth) {
      return Fail(
          "the patch nests maps and lists deeper than " + std::to_string(kDepth) + " levels",
          Error::Reason::kInvalid);
    }
    document_.patch_inplace(Json::array({operation}));
    return {};
  }

  Json& document_;
  std::size_t copied_ = 0;
};

std::string Named(const Json& operation, std::size_t index) {
  return "operation " + std::to_string(index) + " (" + StringIn(operation, "op") + " " +
         StringIn(operation, "path") + ")";
}

}  // namespace

Result<void> ApplyJsonPatch(Json& document, const Json& patch) {
  if (!patch.is_array() || patch.size() > kOperations) {
    return Fail("a JSON patch is a list of at most " + std::to_string(kOperations) + " operations",
                Error::Reason::kInvalid);
  }
  Patcher patcher(document);
  for (std::size_t i = 0; i < patch.size(); ++i) {
    if (!patch[i].is_object()) {
      return Fail("operation " + std::to_string(i) + ": found no map", Error::Reason::kInvalid);
    }
    try {
      if (const Result<void> done = patcher.Do(patch[i]); !done) {
        return Fail(Named(patch[i], i), done.error());
      }
    } catch (const nlohmann::json::exception& error) {
      return Fail(Named(patch[i], i) + ": " + Reason(error), Error::Reason::kInvalid);
    }
  }
  return {};
}

}  // namespace vsplit
