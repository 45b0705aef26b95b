// SPDX-License-Identifier: Apache-2.0
#include "vsplit/objects.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "vsplit/document_text.h"

namespace vsplit {
namespace {

TEST(DocumentText, ComesBackAsGiven) {
  std::minstd_rand random(1);
  std::string noise;
  for (int i = 0; i < 70'000; ++i) {
    noise += static_cast<char>(random());
  }
  for (const std::string& text :
       {std::string("{}"), std::string(1, '\0'), std::string(300'000, 'x'), noise}) {
    const DocumentText document(text);
    EXPECT_EQ(document.str(), text);
    EXPECT_EQ(document, DocumentText(text));
    EXPECT_NE(document, DocumentText(text + " "));
  }
  EXPECT_EQ(DocumentText().str(), "");
  EXPECT_EQ(DocumentText(""), DocumentText());
}

TEST(DocumentText, OfAPodTakesAFraction) {
  const std::string pod =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-6d4b75cb6d-h8q05","namespace":)"
      R"("shop","labels":{"app":"web","version":"risky"}},"spec":{"nodeName":"node-17"},"status":)"
      R"({"phase":"Running","podIPs":[{"ip":"10.100.31.7"}]}})";
  EXPECT_LT(DocumentText(pod).bytes(), pod.size() / 2);
}

TEST(Objects, MostAreSmall) {
  EXPECT_LE(sizeof(Object), 400U);  // there are 100 000 of them
  EXPECT_LE(sizeof(SliceEndpoint), 100U);
  EXPECT_LE(sizeof(ObjectKey), 24U);
}

}  // namespace
}  // namespace vsplit
