// SPDX-License-Identifier: Apache-2.0
// The texts of objects are kept as they were given, and most of what is in them is in all of them.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace vsplit {

// A JSON text, compressed with what documents of Kubernetes have in common: to a quarter or less,
// also of short ones. Making one costs some 2 us, reading it a fifth of that.
class DocumentText {
 public:
  DocumentText() = default;  // empty
  template <std::convertible_to<std::string_view> Text>
  DocumentText(const Text& text)  // NOLINT(google-explicit-constructor): a text among texts
      : compressed_(Compress(std::string_view(text))) {}

  std::string str() const;  // exactly what was given
  bool empty() const { return compressed_.empty(); }
  std::size_t bytes() const { return compressed_.size(); }  // that it takes

  bool operator==(const DocumentText&) const = default;

 private:
  static std::vector<char> Compress(std::string_view text);

  std::vector<char> compressed_;
};

}  // namespace vsplit
