// SPDX-License-Identifier: Apache-2.0
// What is described and what is read are the same fields.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::string_view kUnknown = "zzzqq";

// A document with every field of every message, none of which has a value, and one more in each.
struct Sample {
  std::size_t messages = 0;
  std::set<std::string> allowed;  // of each message, as the parser lists them

  std::string Of(std::string_view type) {
    if (type.starts_with('*')) {
      return "[" + Of(type.substr(1)) + "]";
    }
    if (type.starts_with('%')) {
      return "{\"k\":" + Of(type.substr(1)) + "}";
    }
    const std::vector<FieldDescription> fields = DescribeMessage(type);
    if (fields.empty()) {
      return "null";
    }
    ++messages;
    std::vector<std::string> names;
    std::string text = "{\"" + std::string(kUnknown) + "\":null";
    for (const FieldDescription& field : fields) {
      names.emplace_back(field.name);
      text += ",\"" + names.back() + "\":" + Of(field.type);
    }
    std::ranges::sort(names);
    std::string list;
    for (const std::string& name : names) {
      list += (list.empty() ? "" : ", ") + name;
    }
    allowed.insert("unknown field, allowed are " + list);
    return text + "}";
  }
};

class Described : public testing::TestWithParam<const char*> {};

TEST_P(Described, FieldsAreThoseThatAreRead) {
  Sample sample;
  const std::string kind = GetParam();
  const std::string text = R"({"apiVersion":"networking.istio.io/v1","kind":")" + kind +
                           R"(","metadata":{"name":"x"},"spec":)" + sample.Of(kind) + "}";
  std::size_t found = 0;
  for (const Diagnostic& diagnostic : Parse(text).diagnostics) {
    if (!diagnostic.message.starts_with("unknown field")) {
      continue;
    }
    ++found;
    EXPECT_TRUE(diagnostic.path.ends_with(kUnknown)) << diagnostic.path << diagnostic.message;
    if (diagnostic.message != "unknown field") {  // of a message with many fields
      EXPECT_TRUE(sample.allowed.contains(diagnostic.message))
          << diagnostic.path << ": " << diagnostic.message;
    }
  }
  EXPECT_EQ(found, sample.messages);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Described,
                         testing::Values("VirtualService", "DestinationRule", "ServiceEntry",
                                         "WorkloadEntry", "Sidecar"));

TEST(Describe, SaysWhatIsNotEnforcedAndWhatIsRequired) {
  const std::vector<FieldDescription> route = DescribeMessage("HTTPRouteDestination");
  ASSERT_EQ(route.size(), 3U);
  EXPECT_TRUE(route[0].required);
  EXPECT_EQ(route[1].unenforced, "");
  EXPECT_EQ(route[2].unenforced, "needs the request, not enforced");
  EXPECT_TRUE(DescribeMessage("string").empty());
  EXPECT_TRUE(DescribeMessage("Nonsense").empty());
}

}  // namespace
}  // namespace vsplit
