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

#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

// No file has this name, so that places in the joined text can be told from other text.
constexpr std::string_view kJoined = "<joined>";

// Of all files of one command: what one text may have.
constexpr std::size_t kMostBytes = ParseLimits{}.bytes;

// `read`: bytes of the files before this one, and then of this one too.
Result<std::string> ReadAll(std::istream& stream, const std::string& name, std::size_t& read) {
  constexpr std::size_t kChunk = std::size_t{64} << 10;
  std::string text;
  while (stream && read <= kMostBytes) {
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    stream.read(text.data() + before, kChunk);
    const auto got = static_cast<std::size_t>(stream.gcount());
    text.resize(before + got);
    read += got;
  }
  if (read > kMostBytes) {
    return Fail(
        fmt::format("error: with \"{0}\" there are more than {1} bytes to read, at most {1} "
                    "are allowed",
                    name, kMostBytes),
        Error::Reason::kInvalid);
  }
  return text;
}

Result<std::string> ReadFile(const std::string& name, std::size_t& read) {
  std::ifstream stream(name, std::ios::binary);
  if (!stream) {
    return Fail(fmt::format("error: cannot read \"{}\"", name));
  }
  return ReadAll(stream, name, read);
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
  if (name == "-") {
    return std::vector<std::string>{name};
  }
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
    lines += LinesIn(text);
    if (!text.empty() && text.back() != '\n') {
      manifest.text += '\n';
      ++lines;
    }
  }
  return manifest;
}

Result<std::vector<NamedText>> ReadTexts(const std::vector<std::string>& names, bool recursive) {
  std::vector<NamedText> texts;
  std::size_t read = 0;
  for (const std::string& name : names) {
    const Result<std::vector<std::string>> files = FilesOf(name, recursive);
    if (!files) {
      return tl::unexpected<Error>(files.error());
    }
    for (const std::string& file : *files) {
      const bool input = name == "-";
      Result<std::string> text = input ? ReadAll(std::cin, "stdin", read) : ReadFile(file, read);
      if (!text) {
        return tl::unexpected<Error>(text.error());
      }
      texts.emplace_back(input ? "stdin" : file, std::move(*text));
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
