// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "scan.h"

namespace vsplit::kubernetes {
namespace {

using testing::ElementsAre;

// "name=value;" of each member, with the depth of a value that has one.
std::string Cut(std::string_view map) {
  const auto members = MembersOf(map);
  if (!members) {
    return "no map";
  }
  std::string text;
  for (const Member& member : *members) {
    text += std::string(member.name) + "=" + std::string(member.value);
    text += member.depth > 0 ? "/" + std::to_string(member.depth) + ";" : ";";
  }
  return text;
}

TEST(Scan, AMapIsCutIntoItsMembers) {
  EXPECT_EQ(Cut("{}"), "");
  EXPECT_EQ(Cut(R"({"a":1})"), "a=1;");
  EXPECT_EQ(Cut(" {\n\"a\" : -1.5e3 , \"b\":null,\"c\" : \"x\"\t} \n"),
            R"(a=-1.5e3;b=null;c="x";)");
  EXPECT_EQ(Cut(R"({"a":{"b":[1,{"c":2}]},"d":[],"e":true})"),
            R"(a={"b":[1,{"c":2}]}/3;d=[]/1;e=true;)");
}

TEST(Scan, WhatIsInAStringIsNoBracketAndNoEnd) {
  EXPECT_EQ(Cut(R"({"a":"}{][,:","b":"\"}","c\"":"\\","d":["\\\"]"]})"),
            R"(a="}{][,:";b="\"}";c\"="\\";d=["\\\"]"]/1;)");
}

TEST(Scan, WhatIsNotOneMapIsNone) {
  for (const std::string_view text : {"",
                                      " ",
                                      "[]",
                                      "1",
                                      "null",
                                      "{",
                                      "}",
                                      R"({"a"})",
                                      R"({"a":})",
                                      R"({"a":1)",
                                      R"({"a":1,})",
                                      R"({"a":"x)",
                                      R"({"a":"x\)",
                                      R"({"a":"x\")",
                                      R"({a:1})",
                                      R"({"a":[1})",
                                      R"({"a":1}})",
                                      R"({"a":1}{})",
                                      R"({"a" 1})",
                                      R"({,})"}) {
    EXPECT_EQ(Cut(text), "no map") << text;
  }
}

TEST(Scan, AListIsCutIntoItsElements) {
  EXPECT_THAT(*ElementsOf(R"( [1, {"a":[2,3]} ,"],",[]] )"),
              ElementsAre("1", R"({"a":[2,3]})", R"("],")", "[]"));
  EXPECT_TRUE(ElementsOf("[]")->empty());
  for (const std::string_view text : {"", "{}", "[", "]", "[1", "[1,]", "[,1]", "[1]]", R"(["])"}) {
    EXPECT_FALSE(ElementsOf(text)) << text;
  }
}

TEST(Scan, NestingNeedsNoStack) {
  constexpr std::size_t kDeep = 1'000'000;
  const std::string list = std::string(kDeep, '[') + std::string(kDeep, ']');
  EXPECT_EQ(MembersOf(R"({"a":)" + list + "}")->front().depth, kDeep);
}

TEST(Scan, AStringIsWhatItMeans) {
  EXPECT_EQ(TextOf(R"("a\"\u00e9\n")"), "a\"\u00e9\n");
  for (const std::string_view value : {"", "1", "null", "{}", "\"a", "\"\xff\""}) {
    EXPECT_EQ(TextOf(value), "") << value;
  }
}

TEST(Scan, TheFirstMemberOfANameIsFound) {
  const auto members = MembersOf(R"({"a":1,"b":2,"a":3})");
  EXPECT_EQ(Find(*members, "a"), "1");
  EXPECT_EQ(Find(*members, "c"), "");
}

}  // namespace
}  // namespace vsplit::kubernetes
