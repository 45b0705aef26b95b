// SPDX-License-Identifier: Apache-2.0
// Any bytes as a patch of every type, and, where a line "---" divides them, any document in front
// of it as the object that is patched: what Kubernetes promises of a patch holds. One that says how
// an object is to be, not what to do with it, changes nothing the second time; what is applied is
// there, and stays for as long as somebody applies it; each field that a writer changed is its own.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "field_paths.h"
#include "field_schema.h"
#include "json.h"
#include "json_patch.h"
#include "managed_fields.h"
#include "metadata_rules.h"
#include "strategic_merge.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace {

using vsplit::Json;
using vsplit::Kind;

struct Target {
  Kind kind;
  const char* object;
};

constexpr std::array kTargets = {
    Target{Kind::kVirtualService,
           R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":)"
           R"("x","labels":{"a":"b"},"annotations":{"c":"d"},"finalizers":["e.f/g"]},"spec":)"
           R"({"hosts":["x"],"http":[{"route":[{"destination":{"host":"x","subset":"s"},)"
           R"("weight":90},{"destination":{"host":"y"},"weight":10}]}]}})"},
    Target{Kind::kService,
           R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"x"},"spec":{"clusterIP":)"
           R"("10.0.0.1","selector":{"a":"b"},"ports":[{"name":"http","port":80,"targetPort":)"
           R"(8080},{"name":"dns","port":53,"protocol":"UDP"}]}})"},
    Target{Kind::kPod,
           R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","labels":{"a":"b"}},"spec":)"
           R"({"nodeName":"n","containers":[{"name":"c","ports":[{"containerPort":80}]}]},)"
           R"("status":{"phase":"Running","podIP":"10.1.0.1","conditions":[{"type":"Ready",)"
           R"("status":"True"}]}})"},
};

void Require(bool holds, const char* what, const Json& seen) {
  if (!holds) {
    std::fprintf(stderr, "%s: %s", what, vsplit::Dump(seen).c_str());
    std::abort();
  }
}

vsplit::Writer By(const char* manager, const char* now = "2024-10-10T07:00:00Z") {
  return {
      .manager = manager, .subresource = "", .api_version = "networking.istio.io/v1", .now = now};
}

void CheckMergePatch(const Json& live, const Json& patch) {
  Json once = live;
  once.merge_patch(patch);
  Json twice = once;
  twice.merge_patch(patch);
  Require(once == twice, "the merge patch does more the second time", twice);
}

// The library alone compares the order of fields too, and knows no limits.
void CheckJsonPatch(const Json& live, const Json& patch) {
  Json document = live;
  const bool done = vsplit::ApplyJsonPatch(document, patch).has_value();
  try {
    const Json expected = live.patch(patch);
    Require(!done || vsplit::IsSame(document, expected), "the JSON patch did this", document);
  } catch (const nlohmann::json::exception&) {
    const bool tests = std::any_of(patch.begin(), patch.end(), [](const Json& operation) {
      return vsplit::StringIn(operation, "op") == "test";
    });
    Require(!done || tests, "the JSON patch is none, and yet did this", document);
  }
}

void CheckStrategicMerge(Kind kind, const Json& live, const Json& patch) {
  Json once = live;
  if (!vsplit::StrategicMerge(kind, patch, once)) {
    return;
  }
  Json twice = once;
  Require(vsplit::StrategicMerge(kind, patch, twice) && vsplit::IsSame(once, twice),
          "the strategic merge patch does something else the second time", twice);
}

bool IsEmptyMap(const Json& value) {
  return value.is_object() && value.empty();
}

void CheckHeld(Kind kind, const Json& document, const Json& applied) {
  const vsplit::FieldSchema schema(kind);
  for (const vsplit::Field& field : vsplit::FieldsOf(applied, schema)) {
    if (!field.whole) {
      continue;
    }
    const Json* const found = vsplit::ValueAt(document, field.path, schema);
    Require(found != nullptr && (IsEmptyMap(*field.value) ? found->is_object()
                                                          : vsplit::IsSame(*found, *field.value)),
            vsplit::ToString(field.path).c_str(), document);
  }
}

std::optional<Json> Applied(Kind kind, const Json& live, const Json& applied,
                            const vsplit::Writer& writer) {
  vsplit::Result<vsplit::ApplyOutcome> outcome =
      vsplit::ApplyFields(kind, live, applied, writer, true);
  if (!outcome) {
    return std::nullopt;
  }
  Require(outcome->conflicts.empty(), "a conflict in spite of force", applied);
  Require(vsplit::ReadManagedFields(outcome->document).has_value(), "unreadable managers",
          outcome->document);
  return std::move(outcome->document);
}

void CheckApply(Kind kind, const Json& live, const Json& applied) {
  const std::optional<Json> first = Applied(kind, live, applied, By("first"));
  if (!first) {
    return;
  }
  CheckHeld(kind, *first, applied);
  const std::optional<Json> again =
      Applied(kind, *first, applied, By("first", "2024-10-10T08:00:00Z"));
  Require(again && vsplit::IsSame(*first, *again), "not the same when applied again", *first);
  const vsplit::Result<vsplit::ApplyOutcome> unforced =
      vsplit::ApplyFields(kind, *first, applied, By("second"), false);
  if (!unforced) {
    return;  // there are too many managers
  }
  Require(unforced->conflicts.empty(), "a conflict about the same values", *first);
  const std::optional<Json> left =
      Applied(kind, unforced->document, {{"metadata", Json::object()}}, By("first"));
  Require(left.has_value(), "cannot be left", *first);
  CheckHeld(kind, *left, applied);
}

void CheckUpdate(Kind kind, const Json& before, const Json& after) {
  vsplit::Result<vsplit::ManagedFields> managed = vsplit::ReadManagedFields(before);
  if (!managed) {
    return;
  }
  vsplit::RecordUpdate(kind, before, after, By("updater"), *managed);
  const vsplit::FieldSchema schema(kind);
  for (const vsplit::Field& field : vsplit::FieldsOf(after, schema)) {
    const Json* const old = vsplit::ValueAt(before, field.path, schema);
    if (!field.whole || IsEmptyMap(*field.value) ||
        (old != nullptr && vsplit::IsSame(*old, *field.value))) {
      continue;
    }
    const auto owners = std::ranges::count_if(*managed, [&](const vsplit::FieldManager& manager) {
      return manager.fields.contains(field.path);
    });
    Require(owners == 1, vsplit::ToString(field.path).c_str(), after);
  }
}

void CheckFields(const Json& document) {
  const vsplit::FieldSet set = vsplit::MembersOf(document, vsplit::FieldSchema(Kind::kPod));
  Require(vsplit::FromFieldsV1(vsplit::ToFieldsV1(set)) == set, "FieldsV1", document);
  for (const vsplit::FieldPath& path : vsplit::FromFieldsV1(document)) {
    vsplit::ToString(path);
  }
}

void CheckStatus(const Json& document) {
  const Json agents = {{"conditions", {{{"type", "Ready"}, {"status", "Unknown"}}}}};
  const Json others = vsplit::StatusOfOthers(document, agents);
  const Json whole = vsplit::WholeStatus(others, agents);
  Require(whole["conditions"][0] == agents["conditions"][0], "not the agent's condition", whole);
  Require(vsplit::StatusOfOthers(whole, agents) ==
              vsplit::StatusOfOthers(vsplit::WholeStatus(whole, agents), agents),
          "the agent's condition became another's", whole);
}

void Check(Kind kind, const Json& live, const Json& patch) {
  CheckJsonPatch(live, patch);
  if (!patch.is_object()) {
    return;
  }
  CheckMergePatch(live, patch);
  CheckStrategicMerge(kind, live, patch);
  if (patch.contains("metadata") && patch["metadata"].is_object()) {
    CheckApply(kind, live, patch);  // other documents are refused before
  }
  CheckUpdate(kind, live, patch);
  Json ruled = patch;
  vsplit::RuleMetadata(kind, live, ruled);
}

std::optional<Json> Read(std::string_view text) {
  const vsplit::Result<vsplit::PlainDocument> plain =
      vsplit::ReadPlain(text, vsplit::TextFormat::kAny);
  if (!plain) {
    return std::nullopt;
  }
  Json json = Json::parse(plain->json, nullptr, false);
  return json.is_discarded() ? std::nullopt : std::optional(std::move(json));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::string_view kDivider = "\n---\n";
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::size_t divider = text.find(kDivider);
  const std::size_t behind = divider == text.npos ? 0 : divider + kDivider.size();
  const std::optional<Json> patch = Read(text.substr(behind));
  if (!patch) {
    return 0;
  }
  CheckFields(*patch);
  CheckStatus(*patch);
  if (behind == 0) {
    for (const Target& target : kTargets) {
      Check(target.kind, Json::parse(target.object), *patch);
    }
  } else if (const std::optional<Json> live = Read(text.substr(0, divider));
             live && live->is_object()) {
    Check(Kind::kPod, *live, *patch);
  }
  return 0;
}
