// SPDX-License-Identifier: Apache-2.0
// Any bytes: no crash, no endless loop, and what is accepted reads back as itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "vsplit/objects.h"
#include "vsplit/parse.h"

namespace {

void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using vsplit::Parse;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  vsplit::ParseOptions options;
  for (const auto format : {vsplit::TextFormat::kAny, vsplit::TextFormat::kYaml}) {
    options.format = format;
    const vsplit::ParseResult result = Parse(text, options);
    for (const vsplit::Object& object : result.objects) {
      const vsplit::ParseResult json = Parse(object.json.str());
      Require(json.objects.size() == 1 && json.objects[0].spec == object.spec);
      const vsplit::ParseResult yaml = Parse(vsplit::JsonToYaml(object.json.str()));
      Require(yaml.objects.size() == 1 && yaml.objects[0].spec == object.spec);
    }
  }
  return 0;
}
