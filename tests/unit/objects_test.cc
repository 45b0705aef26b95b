// SPDX-License-Identifier: Apache-2.0
#include "vsplit/objects.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "vsplit/document_text.h"
#include "vsplit/uid.h"

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

TEST(Uid, ComesBackAsGiven) {
  for (const char* text :
       {"", "2f1d4e0a-77f0-4c7e-9d0e-0a1b2c3d4e5f", "config-hash", "web-0",
        "2F1D4E0A-77F0-4C7E-9D0E-0A1B2C3D4E5F", "{2f1d4e0a-77f0-4c7e-9d0e-0a1b2c3d4e}",
        "2f1d4e0a77f04c7e9d0e0a1b2c3d4e5f", "2f1d4e0a-77f0-4c7e-9d0e-0a1b2c3d4e5g",
        "00000000-0000-0000-0000-000000000000"}) {
    const Uid uid(text);
    EXPECT_EQ(uid.str(), text);
    EXPECT_EQ(uid.empty(), std::string(text).empty());
    EXPECT_EQ(uid, Uid(std::string(text)));
    EXPECT_NE(uid, Uid("2f1d4e0a-77f0-4c7e-9d0e-0a1b2c3d4e5e"));
  }
}

TEST(Spec, HoldsOneOfThem) {
  Spec spec;
  EXPECT_TRUE(spec.Is<Namespace>());
  spec = Pod{.phase = "Running"};
  EXPECT_FALSE(spec.Is<Namespace>());
  EXPECT_EQ(spec.Find<Service>(), nullptr);
  const Spec copy = spec;
  EXPECT_EQ(copy, spec);
  spec.Get<Pod>().phase = "Succeeded";
  EXPECT_EQ(copy.Get<Pod>().phase, "Running");
  EXPECT_NE(copy, spec);
  EXPECT_NE(copy, Spec(Service()));
  spec.Emplace<Service>().headless = true;
  EXPECT_TRUE(spec.Find<Service>()->headless);
}

TEST(Objects, MostAreSmall) {
  EXPECT_LE(sizeof(Object), 200U);  // there are 100 000 of them
  EXPECT_LE(sizeof(Pod), 80U);
  EXPECT_LE(sizeof(SliceEndpoint), 100U);
  EXPECT_LE(sizeof(ObjectKey), 24U);
}

}  // namespace
}  // namespace vsplit
