// SPDX-License-Identifier: Apache-2.0
// One object, created or replaced by a document.
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "protobuf_object.h"
#include "verbs.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "writing.h"

namespace vsplit {
namespace {

constexpr int kNameAttempts = 8;

// metadata.generateName and a suffix, where the document has that and no name.
Outcome<void> GenerateName(const Writing& writing, Json& document) {
  const auto metadata = document.find("metadata");
  if (metadata == document.end() || !metadata->is_object()) {
    return {};
  }
  const Json prefix = metadata->value("generateName", Json());
  const Json name = metadata->value("name", Json());
  if (!prefix.is_string() || prefix.get_ref<const std::string&>().empty() ||
      !(name.is_null() || name == "")) {
    return {};
  }
  ObjectKey key = writing.place.key();
  for (int i = 0; i < kNameAttempts; ++i) {
    const Result<std::string> suffix = writing.call.backend.name_suffix();
    if (!suffix) {
      return tl::unexpected(FailureOf(suffix.error()));
    }
    key.name = prefix.get<std::string>() + *suffix;
    if (writing.call.backend.store->Find(key) == nullptr) {
      break;
    }
  }
  (*metadata)["name"] = key.name;
  return {};
}

Outcome<Json> ReadBody(Writing& writing) {
  const Request& request = writing.call.request;
  const Kind kind = writing.place.info->kind;
  if (IsProtobuf(request) && HasProto(kind) && !writing.place.is_status()) {
    if (request.body.size() > kDocumentBytes) {
      return tl::unexpected(TooLarge(kDocumentBytes));
    }
    Result<Json> document = ReadProtoObject(kind, request.body);
    return document ? Outcome<Json>(*std::move(document))
                    : BadRequest("the body: " + document.error().message);
  }
  const Outcome<TextFormat> format = BodyFormat(writing.call);
  if (!format) {
    return tl::unexpected(format.error());
  }
  Outcome<Json> document = ReadDocument(writing, *format);
  if (document && !document->is_object()) {
    return BadRequest("the body is no object");
  }
  return document;
}

}  // namespace

Outcome<Response> Post(const Call& call, const Place& place) {
  Outcome<Writing> writing = BeginWriting(call, place);
  if (!writing) {
    return tl::unexpected(writing.error());
  }
  Outcome<Json> document = ReadBody(*writing);
  if (!document) {
    return tl::unexpected(document.error());
  }
  if (const Outcome<void> named = GenerateName(*writing, *document); !named) {
    return tl::unexpected(named.error());
  }
  return Commit(*std::move(writing), *std::move(document), false);
}

Outcome<Response> Put(const Call& call, const Place& place) {
  Outcome<Writing> writing = BeginWriting(call, place);
  if (!writing) {
    return tl::unexpected(writing.error());
  }
  Outcome<Json> document = ReadBody(*writing);
  if (!document) {
    return tl::unexpected(document.error());
  }
  return Commit(*std::move(writing), *std::move(document), false);
}

}  // namespace vsplit
