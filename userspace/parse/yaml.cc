// SPDX-License-Identifier: Apache-2.0
// YAML to nodes through yaml-cpp's events. This is the only file in which exceptions live: those of
// yaml-cpp, and the one that is the only way to make it stop.
#include <fmt/core.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/node/node.h>  // IWYU pragma: keep, what parser.h declares
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstddef>
#include <ios>
#include <istream>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include "document.h"
#include "vsplit/parse.h"

namespace vsplit::parse {

namespace {

struct Stop {};  // thrown to end yaml-cpp's parser; the builder knows why

// Hands the text to yaml-cpp piece by piece, and ends it when it looks too far ahead: before it
// tells about a flow collection it keeps all tokens of it, each a hundred times its text.
class Feed : public std::streambuf {
 public:
  Feed(std::string_view text, const ParseLimits& limits) : text_(text), limits_(limits) {}

  // Everything handed out so far has been understood.
  void Progress() {
    ahead_ = 0;
    unclosed_ = 0;
  }
  const std::string& trouble() const { return trouble_; }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize count) override {
    const std::string_view piece = text_.substr(at_, static_cast<std::size_t>(count));
    at_ += piece.size();
    ahead_ += piece.size();
    for (const char character : piece) {
      unclosed_ += character == '[' || character == '{' ? 1 : 0;
      unclosed_ -= unclosed_ > 0 && (character == ']' || character == '}') ? 1 : 0;
    }
    if (ahead_ > limits_.yaml_token_bytes) {
      trouble_ = fmt::format(
          "found a scalar or a map or list in brackets longer than {0} bytes, at most {0} are "
          "allowed in YAML",
          limits_.yaml_token_bytes);
      throw Stop();
    }
    if (unclosed_ > kUnclosed) {
      trouble_ =
          fmt::format("found maps and lists nested deeper than {0} levels, at most {0} are allowed",
                      limits_.depth);
      throw Stop();
    }
    std::ranges::copy(piece, to);
    return static_cast<std::streamsize>(piece.size());
  }
  int_type underflow() override { return traits_type::eof(); }

 private:
  static constexpr std::size_t kUnclosed = 4096;  // brackets, where a depth of 64 is usual

  std::string_view text_;
  const ParseLimits& limits_;
  std::size_t at_ = 0;
  std::size_t ahead_ = 0;
  std::size_t unclosed_ = 0;
  std::string trouble_;
};

constexpr std::string_view kCore = "tag:yaml.org,2002:";

// The names of the functions are yaml-cpp's.
class Events : public YAML::EventHandler {
 public:
  Events(std::string_view text, int first_line, Feed& feed, Builder& builder)
      : text_(text), first_line_(first_line), feed_(feed), builder_(builder) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp takes what is left after a document for one more.
    if (started_ && !BeginsDocument(static_cast<std::size_t>(mark.pos))) {
      Check(builder_.Fail(PlaceOf(mark),
                          "found text after the end of a document, \"---\" begins "
                          "another one"));
    }
    started_ = true;
    anchors_.clear();
    Check(builder_.StartDocument(PlaceOf(mark)));
  }

  void OnDocumentEnd() override { Check(builder_.EndDocument()); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    last_ = PlaceOf(mark);
    if (builder_.wants_key()) {
      Check(builder_.Fail(last_, "found null as a key, a string is allowed"));
    }
    Check(builder_.AddScalar(Node::Kind::kNull, "null", "null", last_));
    Remember(anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    last_ = PlaceOf(mark);
    const auto found = std::ranges::find(anchors_, anchor, &Anchor::id);
    if (found == anchors_.end()) {
      Check(builder_.Fail(last_, "found an alias for nothing"));
      return;
    }
    Check(builder_.AddAlias(*found->node, last_));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    last_ = PlaceOf(mark);
    if (tag == "?") {
      OnPlain(value);
    } else if (tag == "!" || IsCore(tag, "str")) {
      OnString(value);
    } else {
      OnTagged(tag, value);
    }
    Remember(anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    OnCollection(Node::Kind::kList, PlaceOf(mark), tag, anchor);
  }
  void OnSequenceEnd() override { Check(builder_.Close()); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    OnCollection(Node::Kind::kMap, PlaceOf(mark), tag, anchor);
  }
  void OnMapEnd() override { Check(builder_.Close()); }

  Place last() const { return last_; }
  Place PlaceOf(const YAML::Mark& mark) const {
    return {.line = mark.line + first_line_, .column = mark.column + 1};
  }

 private:
  struct Anchor {
    YAML::anchor_t id;
    const Node* node;
  };

  static bool IsCore(std::string_view tag, std::string_view name) {
    return tag.starts_with(kCore) && tag.substr(kCore.size()) == name;
  }

  void Check(bool went_well) {
    if (!went_well) {
      throw Stop();
    }
    feed_.Progress();
  }

  void Remember(YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor && builder_.last_added() != nullptr) {
      anchors_.push_back({anchor, builder_.last_added()});
    }
  }

  // Whether a document may begin here: at "---", or after a line of "...".
  bool BeginsDocument(std::size_t offset) const {
    std::string_view before = text_.substr(0, std::min(offset, text_.size()));
    if (text_.substr(before.size()).starts_with("---")) {
      return true;
    }
    while (!before.empty()) {
      const std::size_t start = before.rfind('\n', before.size() - 1) + 1;  // npos + 1 is 0
      const std::string_view line = before.substr(start);
      const std::size_t first = line.find_first_not_of(" \t\r\n");
      if (first != std::string_view::npos && line[first] != '#') {
        return line.starts_with("...");
      }
      before = before.substr(0, start == 0 ? 0 : start - 1);
    }
    return false;
  }

  void OnString(const std::string& value) {
    Check(builder_.wants_key() ? builder_.Key(value, last_)
                               : builder_.AddScalar(Node::Kind::kString, value, value, last_));
  }

  void OnPlain(const std::string& value) {
    if (builder_.wants_key() && value == "<<") {
      Check(builder_.MergeKey(last_));
      return;
    }
    const Scalar scalar = ResolvePlainScalar(value);
    const bool canonical = scalar.kind == Node::Kind::kString ||
                           (scalar.kind == Node::Kind::kInteger && scalar.text == value);
    if (builder_.wants_key()) {
      // kubectl would write the key as its canonical value, which is hardly ever what was meant.
      if (!canonical) {
        builder_.AddProblem(last_,
                            fmt::format("found {} {} as a key, a string is allowed; quote it",
                                        NameOf(scalar.kind), value));
      }
      Check(builder_.Key(value, last_));
      return;
    }
    AddResolved(scalar, value);
  }

  void AddResolved(const Scalar& scalar, const std::string& value) {
    if (scalar.kind == Node::Kind::kFloat && scalar.text.empty()) {
      builder_.AddProblem(last_, fmt::format("found number {}, a finite number is allowed", value));
    }
    Check(builder_.AddScalar(scalar.kind, scalar.text, value, last_));
  }

  // One of YAML's own tags in front of a scalar.
  void OnTagged(const std::string& tag, const std::string& value) {
    const Scalar scalar = ResolvePlainScalar(value);
    const bool fits = (IsCore(tag, "int") && scalar.kind == Node::Kind::kInteger) ||
                      (IsCore(tag, "bool") && scalar.kind == Node::Kind::kBool) ||
                      (IsCore(tag, "null") && scalar.kind == Node::Kind::kNull) ||
                      (IsCore(tag, "float") && scalar.kind == Node::Kind::kFloat);
    if (!fits || builder_.wants_key()) {
      Check(builder_.Fail(
          last_, fmt::format(R"(found tag "{}" on "{}", which it does not fit)", tag, value)));
    }
    AddResolved(scalar, value);
  }

  void OnCollection(Node::Kind kind, Place place, const std::string& tag, YAML::anchor_t anchor) {
    last_ = place;
    const bool plain = tag.empty() || tag == "?" || tag == "!";
    if (!plain && !IsCore(tag, kind == Node::Kind::kMap ? "map" : "seq")) {
      Check(builder_.Fail(place, fmt::format("found tag \"{}\", which does not fit here", tag)));
    }
    Check(builder_.Open(kind, place));
    Remember(anchor);
  }

  std::string_view text_;
  int first_line_;
  Feed& feed_;
  Builder& builder_;
  bool started_ = false;
  Place last_;
  std::vector<Anchor> anchors_;
};

}  // namespace

bool ReadYaml(std::string_view text, int first_line, const ParseLimits& limits, Builder& builder) {
  Feed feed(text, limits);
  std::istream stream(&feed);
  Events events(text, first_line, feed, builder);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(events)) {
    }
    return true;
  } catch (const YAML::Exception& error) {
    return builder.Fail(events.PlaceOf(error.mark), "found text that is no YAML: " + error.msg);
  } catch (const Stop&) {
    if (!feed.trouble().empty()) {
      builder.Fail(events.last(), feed.trouble());
    }
    return false;
  }
}

}  // namespace vsplit::parse
