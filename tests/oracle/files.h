// SPDX-License-Identifier: Apache-2.0
// The records beside the tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <string>
#include <string_view>

namespace vsplit::oracle {

constexpr std::string_view kFolder = VSPLIT_ORACLE;

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vsplit::oracle
