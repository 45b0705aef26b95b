// SPDX-License-Identifier: Apache-2.0
// Nodes as JSON, and JSON as YAML.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "document.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {

namespace parse {

namespace {

// A map or list that is being written, and its child that comes next.
struct Open {
  const Node* node;
  const Node* next;
};

char Closing(const Node& node) {
  return node.kind == Node::Kind::kMap ? '}' : ']';
}

bool IsCollection(const Node& node) {
  return node.kind == Node::Kind::kMap || node.kind == Node::Kind::kList;
}

void AppendScalar(std::string& out, const Node& node) {
  if (node.kind == Node::Kind::kString) {
    AppendJsonString(out, node.text);
  } else if (node.text.empty()) {
    out += "null";  // a number without a value, which is a problem already
  } else {
    out += node.text;
  }
}

// Opens a collection or writes a scalar.
void AppendStart(std::string& out, const Node& node, std::vector<Open>& open) {
  if (IsCollection(node)) {
    out += node.kind == Node::Kind::kMap ? '{' : '[';
    open.push_back({&node, node.first});
  } else {
    AppendScalar(out, node);
  }
}

// Whether YAML reads this string back as the same string without quotes.
bool MayBePlain(std::string_view text) {
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`= ";
  if (text.empty() || ResolvePlainScalar(text).kind != Node::Kind::kString || text == "<<" ||
      text.starts_with("---") || text.starts_with("...") || text.back() == ' ' ||
      text.back() == ':') {
    return false;
  }
  const bool dash_or_colon = (text.front() == '-' || text.front() == '?' || text.front() == ':') &&
                             text.size() > 1 && text[1] != ' ';
  if (kIndicators.find(text.front()) != std::string_view::npos && !dash_or_colon) {
    return false;
  }
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos) {
    return false;
  }
  // Timestamps and numbers in base 60 of other readers start with a digit: quoted, as kubectl does.
  const bool digit = text.front() >= '0' && text.front() <= '9';
  if (digit && text.find(':') != std::string_view::npos) {
    return false;
  }
  return std::ranges::none_of(text, [](char character) {
    const auto byte = static_cast<unsigned char>(character);
    return byte < 0x20u || byte == 0x7Fu;
  });
}

// Plain, in double quotes, or over several lines as "|" when it is text of several lines.
void AppendYamlString(std::string& out, std::string_view text, std::string_view indent) {
  if (MayBePlain(text)) {
    out += text;
    return;
  }
  const bool lines = text.find('\n') != std::string_view::npos && text.front() != ' ' &&
                     text.front() != '\n' && text.back() == '\n' && !text.ends_with("\n\n") &&
                     std::ranges::none_of(text, [](char character) {
                       const auto byte = static_cast<unsigned char>(character);
                       return (byte < 0x20u && byte != '\n') || byte == 0x7Fu;
                     });
  if (!lines) {
    AppendJsonString(out, text);
    return;
  }
  out += '|';
  for (text.remove_suffix(1);;) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    out += '\n';
    if (!line.empty()) {
      out += indent;
      out += line;
    }
    if (end == std::string_view::npos) {
      return;
    }
    text.remove_prefix(end + 1);
  }
}

// One document as block YAML. Lists stand at the level of their key, as kubectl writes them.
class YamlWriter {
 public:
  std::string Write(const Node& root) {
    if (!IsCollection(root) || root.first == nullptr) {
      AppendLeaf(root, 0);
      return out_ + "\n";
    }
    open_.push_back({&root, root.first, 0});
    while (!open_.empty()) {
      Level& level = open_.back();
      if (level.next == nullptr) {
        open_.pop_back();
        continue;
      }
      const Node& child = *level.next;
      level.next = child.next;
      WriteChild(child, level.node->kind == Node::Kind::kMap, level.indent);
    }
    return out_;
  }

 private:
  struct Level {
    const Node* node;
    const Node* next;
    std::size_t indent;
  };

  void WriteChild(const Node& child, bool in_map, std::size_t indent) {
    if (!behind_dash_) {
      out_.append(indent, ' ');
    }
    behind_dash_ = false;
    if (in_map) {
      if (MayBePlain(child.key)) {
        out_ += child.key;
      } else {
        AppendJsonString(out_, child.key);
      }
      out_ += ':';
    } else {
      out_ += '-';
    }
    if (!IsCollection(child) || child.first == nullptr) {
      out_ += ' ';
      AppendLeaf(child, indent + 2);
      out_ += '\n';
      return;
    }
    if (in_map) {
      out_ += '\n';
      open_.push_back({&child, child.first, indent + (child.kind == Node::Kind::kMap ? 2 : 0)});
    } else {
      out_ += ' ';
      behind_dash_ = true;
      open_.push_back({&child, child.first, indent + 2});
    }
  }

  void AppendLeaf(const Node& node, std::size_t indent) {
    if (IsCollection(node)) {
      out_ += node.kind == Node::Kind::kMap ? "{}" : "[]";
    } else if (node.kind == Node::Kind::kString) {
      AppendYamlString(out_, node.text, std::string(indent, ' '));
    } else {
      AppendScalar(out_, node);
    }
  }

  std::string out_;
  std::vector<Level> open_;
  bool behind_dash_ = false;  // "- " is written, the first child follows on the same line
};

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20u && byte != '"' && byte != '\\' && byte != 0x7Fu) {
      continue;
    }
    out += text.substr(done, at - done);
    done = at + 1;
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[at];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else {
      out += fmt::format("\\u{:04x}", byte);
    }
  }
  out += text.substr(done);
  out += '"';
}

std::string ToJson(const Node& root, const std::vector<const Node*>& dropped) {
  std::string out;
  std::vector<Open> open;
  AppendStart(out, root, open);
  while (!open.empty()) {
    const Node& node = *open.back().node;
    const Node* child = open.back().next;
    if (child == nullptr) {
      out += Closing(node);
      open.pop_back();
      continue;
    }
    open.back().next = child->next;
    if (std::ranges::binary_search(dropped, child)) {
      continue;
    }
    if (out.back() != '{' && out.back() != '[') {
      out += ',';
    }
    if (node.kind == Node::Kind::kMap) {
      AppendJsonString(out, child->key);
      out += ':';
    }
    AppendStart(out, *child, open);
  }
  return out;
}

}  // namespace parse

Result<PlainDocument> ReadPlain(std::string_view text, TextFormat format,
                                const ParseLimits& limits) {
  PlainDocument document;
  std::size_t documents = 0;
  std::optional<parse::Problem> trouble;
  const auto take = [&](const parse::Node& root, const std::vector<parse::Problem>& problems) {
    if (root.is_null()) {
      return true;
    }
    ++documents;
    document.json = parse::ToJson(root);
    for (const parse::Problem& problem : problems) {
      if (problem.duplicate) {
        document.duplicates.push_back(problem.path);
      } else if (!trouble) {
        trouble = problem;
      }
    }
    return documents < 2;
  };
  if (auto problem = parse::ReadDocuments(text, format, limits, take)) {
    trouble = std::move(problem);
  }
  if (trouble) {
    return Fail(ToString(Diagnostic{.path = trouble->path,
                                    .line = trouble->place.line,
                                    .column = trouble->place.column,
                                    .message = trouble->message}),
                Error::Reason::kInvalid);
  }
  if (documents != 1) {
    return Fail(documents == 0 ? "found no document, one is expected"
                               : "found several documents, one is expected",
                Error::Reason::kInvalid);
  }
  return document;
}

std::string JsonToYaml(std::string_view json) {
  std::string yaml;
  const auto write = [&yaml](const parse::Node& root, const std::vector<parse::Problem>&) {
    yaml = parse::YamlWriter().Write(root);
    return true;
  };
  parse::ReadDocuments(json, TextFormat::kJson, ParseLimits{}, write);
  return yaml;
}

}  // namespace vsplit
