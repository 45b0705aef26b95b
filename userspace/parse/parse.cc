// SPDX-License-Identifier: Apache-2.0
#include "vsplit/parse.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "metadata.h"
#include "syntax.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

namespace parse {

namespace {

// ---- which kind --------------------------------------------------------------------------------

std::string_view TextOf(const Node* node) {
  return node != nullptr && node->kind == Node::Kind::kString ? node->text : std::string_view();
}

std::vector<std::string> ApiVersionsOf(const KindInfo& info) {
  std::vector<std::string> versions;
  for (const std::string_view version : SplitNames(info.versions)) {
    versions.push_back(info.group.empty() ? std::string(version)
                                          : fmt::format("{}/{}", info.group, version));
  }
  return versions;
}

std::vector<std::string_view> NamesOfKinds() {
  std::vector<std::string_view> names;
  std::ranges::transform(Kinds(), std::back_inserter(names), &KindInfo::name);
  names.emplace_back("List");
  return names;
}

// The kind of a document; notes why there is none.
const KindInfo* FindKind(const At& root) {
  const Node* kind = root.node().Find("kind");
  const Node* version = root.node().Find("apiVersion");
  if (kind == nullptr || kind->is_null()) {
    root.Missing("kind");
  }
  if (version == nullptr || version->is_null()) {
    root.Missing("apiVersion");
  }
  if (TextOf(kind).empty() || TextOf(version).empty()) {
    for (const Node* field : {kind, version}) {
      if (field != nullptr && !field->is_null() && root.Field(*field).Is(Node::Kind::kString) &&
          field->text.empty()) {
        root.Field(*field).NotAllowed("a name is required");
      }
    }
    return nullptr;
  }
  const std::vector<std::string_view> names = NamesOfKinds();
  const auto info = std::ranges::find(Kinds(), kind->text, &KindInfo::name);
  if (info == Kinds().end()) {
    const std::string_view nearest = Nearest(kind->text, names);
    root.Field(*kind).NotAllowed(nearest.empty()
                                     ? fmt::format("allowed are {}", fmt::join(names, ", "))
                                     : fmt::format("did you mean \"{}\"?", nearest));
    return nullptr;
  }
  const std::vector<std::string> versions = ApiVersionsOf(*info);
  if (std::ranges::find(versions, version->text) == versions.end()) {
    root.Field(*version).NotAllowed(
        fmt::format("allowed for a {}: {}", info->name, fmt::join(versions, ", ")));
    return nullptr;
  }
  return &*info;
}

// What can be said of a document before anything about it is certain.
ParsedDocument Describe(const Node& root, const std::string& default_namespace) {
  const Node* metadata = root.Find("metadata");
  const auto text = [metadata](std::string_view field) {
    return metadata == nullptr ? std::string_view() : TextOf(metadata->Find(field));
  };
  const std::string_view kind = TextOf(root.Find("kind"));
  const auto info = std::ranges::find(Kinds(), kind, &KindInfo::name);
  const bool listed = info != Kinds().end();
  ParsedDocument document{.kind = std::string(kind),
                          .ns = std::string(text("namespace")),
                          .name = std::string(text("name"))};
  if (listed && !info->namespaced) {
    document.ns = "";
  } else if (document.ns.empty() && metadata != nullptr) {
    document.ns = default_namespace;
  }
  document.known =
      kind.empty() || kind == "List" || listed || !Nearest(kind, NamesOfKinds()).empty();
  return document;
}

// As diagnostics name it: "VirtualService default/v".
std::string LabelOf(const Node& root, const std::string& default_namespace) {
  const ParsedDocument document = Describe(root, default_namespace);
  if (document.kind.empty() || document.name.empty()) {
    return document.kind;
  }
  return document.ns.empty() ? fmt::format("{} {}", document.kind, document.name)
                             : fmt::format("{} {}/{}", document.kind, document.ns, document.name);
}

using ReadKind = void (*)(const At& root, Object& object);
constexpr auto kReaders = std::to_array<ReadKind>(
    {ReadNamespace, ReadNode, ReadPod, ReadService, ReadEndpointSlice, ReadWorkloadEntry,
     ReadServiceEntry, ReadDestinationRule, ReadVirtualService, ReadSidecar});

// ---- documents ---------------------------------------------------------------------------------

// Takes documents and makes the result of them.
class Reader {
 public:
  explicit Reader(const ParseOptions& options) : options_(options) {}

  bool Take(const Node& root, const std::vector<Problem>& problems) {
    if (root.is_null()) {
      return true;  // an empty document
    }
    Report report = NewReport(LabelOf(root, options_.default_namespace));
    for (const Problem& problem : problems) {
      report.Add(
          problem.path, problem.place, problem.message, Diagnostic::Severity::kError,
          problem.duplicate ? Diagnostic::Reason::kDuplicateField : Diagnostic::Reason::kInvalid);
    }
    const At at(report, root);
    if (TextOf(root.Find("kind")) == "List") {
      report.object = "List";
      TakeList(at, report);
    } else {
      TakeDocument(at, report);
    }
    return errors_ < options_.limits.diagnostics ||
           Note({.path = "",
                 .place = root.place,
                 .message = fmt::format("found {} errors so far, the rest of the text is not read",
                                        errors_)});
  }

  // False, for the convenience of the caller.
  bool Note(const Problem& problem) {
    Report report = NewReport("");
    report.limit = 1;
    report.Add(problem.path, problem.place, problem.message);
    ParsedDocument document{.known = true, .first = result_.diagnostics.size()};
    Keep(report);
    document.end = result_.diagnostics.size();
    result_.documents.push_back(std::move(document));
    return false;
  }

  ParseResult Finish() { return std::move(result_); }

 private:
  Report NewReport(std::string object) const {
    const std::size_t most = options_.limits.diagnostics;
    return {.object = std::move(object),
            .source = options_.source,
            .limit = most - std::min(errors_, most),
            .warning_limit = most - std::min(warnings_, most),
            .unknown = options_.field_validation};
  }

  void TakeList(const At& root, Report& report) {
    struct Items {
      const Node* list = nullptr;
    };
    constexpr auto kItems = [](const At& at, Items& out) {
      out.list = at.Is(Node::Kind::kList) ? &at.node() : nullptr;
    };
    const auto fields = std::to_array<Field<Items>>({{"items", kItems}});
    Items items;
    ReadMap(root, Shape<Items>{"List", fields, kHeaderFields}, items);
    const Node* version = root.node().Find("apiVersion");
    if (TextOf(version) != "v1") {
      version == nullptr ? root.Missing("apiVersion")
                         : root.Field(*version).NotAllowed("v1 is allowed for a List");
    }
    const bool whole = !report.failed;
    Keep(report);
    std::size_t index = 0;
    for (const Node* item = items.list == nullptr ? nullptr : items.list->first; item != nullptr;
         item = item->next, ++index) {
      if (errors_ >= options_.limits.diagnostics) {
        return;
      }
      Report one = NewReport(LabelOf(*item, options_.default_namespace));
      one.failed = !whole;
      const At top(one, root.node());
      const At list = top.Field(*items.list);
      TakeDocument(list.Item(*item, index), one);
    }
  }

  void TakeDocument(const At& at, Report& report) {
    ParsedDocument document = Describe(at.node(), options_.default_namespace);
    document.first = result_.diagnostics.size();
    if (document.kind == "List") {
      at.Error("found a List in a List, objects are allowed");
    } else {
      TakeObject(at, report);
    }
    document.valid = !report.failed;
    Keep(report);
    document.end = result_.diagnostics.size();
    result_.documents.push_back(std::move(document));
  }

  void TakeObject(const At& root, Report& report) {
    if (!root.Is(Node::Kind::kMap)) {
      return;
    }
    const KindInfo* info = FindKind(root);
    if (info == nullptr) {
      return;
    }
    Object object;
    object.key.kind = info->kind;
    object.api_version = root.node().Find("apiVersion")->text;
    ReadMetadata(root, *info, options_.default_namespace, object);
    report.strict_nulls = info->group == InfoOf(Kind::kVirtualService).group;
    if (report.strict_nulls) {
      CheckAnnotations(root);
    }
    kReaders.at(static_cast<std::size_t>(info->kind))(root, object);
    if (!report.failed || options_.stored) {
      std::ranges::sort(report.dropped);
      object.json = ToJson(root.node(), report.dropped);
      result_.objects.push_back(std::move(object));
    }
  }

  // In the order of the text; what is found at one place, in the order of finding.
  void Keep(Report& report) {
    std::ranges::stable_sort(report.diagnostics, {}, [](const Diagnostic& diagnostic) {
      return std::tuple(diagnostic.line, diagnostic.column);
    });
    std::ranges::move(report.diagnostics, std::back_inserter(result_.diagnostics));
    report.diagnostics.clear();
    errors_ += std::exchange(report.errors, 0);
    warnings_ += std::exchange(report.warnings, 0);
  }

  const ParseOptions& options_;
  ParseResult result_;
  std::size_t errors_ = 0, warnings_ = 0;  // in result_.diagnostics
};

}  // namespace

}  // namespace parse

ParseResult Parse(std::string_view text, const ParseOptions& options) {
  parse::Reader reader(options);
  const auto take = [&reader](const parse::Node& root,
                              const std::vector<parse::Problem>& problems) {
    return reader.Take(root, problems);
  };
  const auto problem = parse::ReadDocuments(text, options.format, options.limits, take);
  if (problem) {
    reader.Note(*problem);
  }
  return reader.Finish();
}

}  // namespace vsplit
