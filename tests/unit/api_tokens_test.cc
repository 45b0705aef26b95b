// SPDX-License-Identifier: Apache-2.0
// Tokens by themselves: whose they are, and until when.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tokens.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using std::chrono::seconds;

class IssuedTokens : public testing::Test {
 protected:
  std::string Issue(const std::string& user) {
    const Result<AccessToken> issued = tokens_.Issue(user);
    EXPECT_TRUE(issued) << issued.error().message;
    return issued ? issued->token : "";
  }
  std::string UserOf(const std::string& token) {
    return tokens_.UserOf("Bearer " + token).value_or("nobody");
  }

  Tokens::Clock::time_point now_;
  Tokens tokens_{"file", seconds(600), [this] { return now_; }};
};

TEST_F(IssuedTokens, SayWhoseTheyAre) {
  const std::string ada = Issue("ada");
  const std::string bob = Issue("bob");
  EXPECT_EQ(ada.size(), 43U);
  EXPECT_NE(ada, bob);
  EXPECT_EQ(UserOf(ada), "ada");
  EXPECT_EQ(UserOf(bob), "bob");
  EXPECT_EQ(UserOf("file"), "system:kubeconfig");
  EXPECT_EQ(UserOf(ada.substr(1)), "nobody");
  EXPECT_EQ(UserOf(""), "nobody");
  EXPECT_FALSE(tokens_.UserOf(ada));  // without the scheme
}

TEST_F(IssuedTokens, HoldForTheirTimeAndNotLonger) {
  const std::string first = Issue("ada");
  now_ += seconds(300);
  EXPECT_EQ(Issue("ada"), first);
  now_ += seconds(1);
  const std::string second = Issue("ada");
  EXPECT_NE(second, first);
  now_ += seconds(298);
  EXPECT_EQ(UserOf(first), "ada");
  now_ += seconds(1);
  EXPECT_EQ(UserOf(first), "nobody");
  EXPECT_EQ(UserOf(second), "ada");
  now_ += seconds(301);
  EXPECT_EQ(UserOf(second), "nobody");
  EXPECT_EQ(UserOf("file"), "system:kubeconfig");
}

TEST_F(IssuedTokens, AreOfSoManyUsers) {
  const std::string first = Issue("user 0");
  for (int i = 1; i < 256; ++i) {
    now_ += seconds(1);
    Issue("user " + std::to_string(i));
  }
  const Result<AccessToken> refused = tokens_.Issue("one more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "tokens of 256 users hold already");
  EXPECT_EQ(Issue("user 0"), first);
  now_ += seconds(345);
  Issue("one more");
  EXPECT_EQ(UserOf(first), "nobody");
}

}  // namespace
}  // namespace vsplit
