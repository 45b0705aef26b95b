// SPDX-License-Identifier: Apache-2.0
// The whole pure half: each *.yaml beside this file is parsed, stored, resolved and compiled, and
// what comes out is compared with the .image of the same name: the table image, below it the
// clusters without endpoints and the verdicts. `golden_test --update` writes the .image files; the
// difference is to be reviewed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/compile.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolder = VSPLIT_GOLDEN;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As a cluster hands them over: with the creation times that the objects say.
Store StoreOf(std::vector<Object> objects) {
  std::uint64_t version = 0;
  for (Object& object : objects) {
    object.version = {.resource_version = ++version,
                      .generation = 1,
                      .creation_timestamp = object.given_creation_timestamp};
  }
  Store store;
  store.Load(std::move(objects), version);
  return store;
}

std::string Answer(const Store& store) {
  TableImage image;
  std::string broken;
  std::string verdicts;
  for (const HostName& name : HostsWithRules(store, false)) {
    const HostMeaning meaning = ResolveAll(store, name, {}, {}, {});
    const ResolvedHost& host = meaning.everyone;
    Result<TableImage> part = Compile(meaning);
    if (!part) {
      return part.error().message + "\n";
    }
    image.frontends.merge(part->frontends);
    for (const ResolvedPort& port : host.ports) {
      for (const ResolvedCluster& cluster : port.clusters) {
        broken += cluster.broken.empty() ? ""
                                         : name + ":" + std::to_string(port.port) + ": " +
                                               cluster.name + ": " + cluster.broken + "\n";
      }
    }
    for (const Verdict& verdict : host.verdicts) {
      verdicts += ToString(verdict) + "\n";
    }
  }
  return ToString(image) + (broken.empty() ? "" : "\nwithout endpoints\n" + broken) +
         "\nverdicts\n" + verdicts;
}

std::string AnswerOf(const fs::path& yaml) {
  ParseResult parsed = Parse(ReadFile(yaml), {.source = yaml.filename()});
  std::string troubles;
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    troubles +=
        diagnostic.severity == Diagnostic::Severity::kError ? ToString(diagnostic) + "\n" : "";
  }
  return troubles.empty() ? Answer(StoreOf(std::move(parsed.objects))) : troubles;
}

fs::path ImageOf(fs::path yaml) {
  return yaml.replace_extension(".image");
}

std::vector<fs::path> FilesWith(std::string_view extension) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(kFolder))) {
    if (entry.path().extension() == extension) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

class Golden : public testing::TestWithParam<fs::path> {};

TEST_P(Golden, CaseGivesItsImage) {
  EXPECT_EQ(AnswerOf(GetParam()), ReadFile(ImageOf(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(FilesWith(".yaml")),
                         [](const testing::TestParamInfo<fs::path>& tested) {
                           std::string name = tested.param.stem();
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Golden, EveryImageHasItsCase) {
  for (const fs::path& image : FilesWith(".image")) {
    EXPECT_TRUE(fs::exists(fs::path(image).replace_extension(".yaml"))) << image.filename();
  }
}

int Update() {
  for (const fs::path& yaml : FilesWith(".yaml")) {
    std::ofstream file(ImageOf(yaml), std::ios::binary);
    file << AnswerOf(yaml);
    if (!file.flush()) {
      std::cerr << "cannot write " << ImageOf(yaml) << "\n";
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace vsplit

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 2 && std::string_view(argv[1]) == "--update") {
    return vsplit::Update();
  }
  return RUN_ALL_TESTS();
}
