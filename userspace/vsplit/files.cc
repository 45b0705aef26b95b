// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <istream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

// No file has this name, so that places in the joined text can be told from other text.
constexpr std::string_view kJoined = "<joined>";

std::string ReadAll(std::istream& stream) {
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Result<std::string> ReadFile(const std::string& name) {
  std::ifstream stream(name, std::ios::binary);
  if (!stream) {
    return Fail(fmt::format("error: cannot read \"{}\"", name));
  }
  return ReadAll(stream);
}

bool IsManifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

template <class Iterator>
std::vector<std::string> ManifestsIn(const std::string& folder) {
  std::error_code code;
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : Iterator(folder, code)) {
    if (entry.is_regular_file(code) && IsManifest(entry.path())) {
      files.push_back(entry.path().string());
    }
  }
  std::ranges::sort(files);
  return files;
}

Result<std::vector<std::string>> FilesOf(const std::string& name, bool recursive) {
  std::error_code code;
  const fs::file_status status = fs::status(name, code);
  if (!fs::exists(status)) {
    return Fail(fmt::format("error: the path \"{}\" does not exist", name));
  }
  if (!fs::is_directory(status)) {
    return std::vector<std::string>{name};
  }
  std::vector<std::string> files = recursive ? ManifestsIn<fs::recursive_directory_iterator>(name)
                                             : ManifestsIn<fs::directory_iterator>(name);
  if (files.empty()) {
    return Fail(
        fmt::format("error: error reading [{}]: recognized file extensions are [.json "
                    ".yaml .yml]",
                    name));
  }
  return files;
}

int LinesIn(std::string_view text) {
  return static_cast<int>(std::ranges::count(text, '\n'));
}

}  // namespace

std::string Manifest::Source() const {
  return parts.size() == 1 ? parts.front().file : std::string(kJoined);
}

std::string Manifest::Locate(const std::string& message) const {
  const std::string mark = std::string(kJoined) + ":";
  std::string located;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = message.find(mark, from)) != std::string::npos;) {
    located.append(message, from, at - from);
    const char* digits = message.data() + at + mark.size();
    int line = 0;
    const auto [end, error] = std::from_chars(digits, message.data() + message.size(), line);
    const auto after =
        std::ranges::find_if(parts, [line](const Part& part) { return part.first_line > line; });
    const Part& part = after == parts.begin() ? *after : *std::prev(after);
    located += fmt::format("{}:{}", part.file, line - part.first_line + 1);
    from = static_cast<std::size_t>(end - message.data());
  }
  return located + message.substr(from);
}

Manifest JoinTexts(const std::vector<NamedText>& texts) {
  Manifest manifest;
  if (texts.size() == 1) {
    manifest.text = texts.front().second;
    manifest.parts.push_back({texts.front().first, 1});
    return manifest;
  }
  int lines = 0;
  for (const auto& [file, text] : texts) {
    // The marker also makes a JSON file a document of the YAML stream.
    manifest.text += "---\n";
    ++lines;
    manifest.parts.push_back({file, lines + 1});
    manifest.text += text;
    if (!text.empty() && text.back() != '\n') {
      manifest.text += '\n';
    }
    lines = LinesIn(manifest.text);
  }
  return manifest;
}

Result<std::vector<NamedText>> ReadTexts(const std::vector<std::string>& names, bool recursive) {
  std::vector<NamedText> texts;
  for (const std::string& name : names) {
    if (name == "-") {
      texts.emplace_back("stdin", ReadAll(std::cin));
      continue;
    }
    const Result<std::vector<std::string>> files = FilesOf(name, recursive);
    if (!files) {
      return tl::unexpected<Error>(files.error());
    }
    for (const std::string& file : *files) {
      Result<std::string> text = ReadFile(file);
      if (!text) {
        return tl::unexpected<Error>(text.error());
      }
      texts.emplace_back(file, std::move(*text));
    }
  }
  if (texts.empty()) {
    return Fail("error: must specify -f");
  }
  return texts;
}

Result<Manifest> ReadManifest(const std::vector<std::string>& names, bool recursive) {
  const Result<std::vector<NamedText>> texts = ReadTexts(names, recursive);
  if (!texts) {
    return tl::unexpected<Error>(texts.error());
  }
  return JoinTexts(*texts);
}

}  // namespace vsplit
