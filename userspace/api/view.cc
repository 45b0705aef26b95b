// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "media.h"
#include "place.h"
#include "table.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

Json MetadataOf(const Json& object) {
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", object["metadata"]}};
}

Json ListMetadataJson(const ListMetadata& metadata) {
  Json json = {{"resourceVersion", std::to_string(metadata.resource_version)}};
  if (!metadata.continue_token.empty()) {
    json["continue"] = metadata.continue_token;
    json["remainingItemCount"] = metadata.remaining;
  }
  return json;
}

Json RowOf(const Backend& backend, const View& view, const Place& place, Json object) {
  Json row = {{"cells", CellsOf(place.info->kind, object, backend.now())}};
  if (view.include == View::Include::kObject) {
    row["object"] = std::move(object);
  } else if (view.include == View::Include::kMetadata) {
    row["object"] = MetadataOf(object);
    row["object"]["apiVersion"] = view.table_version;
  }
  return row;
}

Json TableOf(const View& view, Json columns, Json rows, Json metadata) {
  return {{"kind", "Table"},
          {"apiVersion", view.table_version},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", std::move(columns)},
          {"rows", std::move(rows)}};
}

Json ViewRendered(const Backend& backend, const View& view, const Place& place, Json object,
                  bool with_columns) {
  switch (view.form) {
    case View::Form::kObject:
      break;
    case View::Form::kMetadata:
      return MetadataOf(object);
    case View::Form::kTable: {
      Json metadata = {{"resourceVersion", object["metadata"]["resourceVersion"]}};
      return TableOf(view, with_columns ? ColumnsOf(place.info->kind) : Json(),
                     Json::array({RowOf(backend, view, place, std::move(object))}),
                     std::move(metadata));
    }
  }
  return object;
}

}  // namespace

Outcome<View> ViewOf(const Call& call) {
  View view;
  const std::string include = call.Query("includeObject");
  if (include == "None") {
    view.include = View::Include::kNone;
  } else if (include == "Object") {
    view.include = View::Include::kObject;
  } else if (!include.empty() && include != "Metadata") {
    return BadRequest("invalid includeObject \"" + include + "\", it is None, Metadata or Object");
  }
  for (const MediaRange& range : ParseAccept(call.request.accept)) {
    const std::string as = range.Parameter("as");
    const std::string version = range.Parameter("v");
    if (as.empty() && range.type != "application/vnd.kubernetes.protobuf") {
      break;
    }
    if (range.type != "application/json" || range.Parameter("g") != "meta.k8s.io" ||
        (version != "v1" && version != "v1beta1")) {
      continue;
    }
    if (as == "Table") {
      view.form = View::Form::kTable;
      view.table_version = "meta.k8s.io/" + version;
      break;
    }
    if ((as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") && version == "v1") {
      view.form = View::Form::kMetadata;
      break;
    }
  }
  return view;
}

Json ViewObject(const Backend& backend, const View& view, const Place& place, const Object& object,
                bool with_columns) {
  return ViewRendered(backend, view, place, ShownDocument(backend, place, object), with_columns);
}

Json ViewDeleted(const Backend& backend, const View& view, const Place& place, const Object& object,
                 std::uint64_t resource_version, bool with_columns) {
  Json whole = ShownDocument(backend, place, object);
  whole["metadata"]["resourceVersion"] = std::to_string(resource_version);
  return ViewRendered(backend, view, place, std::move(whole), with_columns);
}

Json ViewList(const Backend& backend, const View& view, const Place& place,
              const std::vector<ObjectPtr>& objects, const ListMetadata& metadata) {
  Json items = Json::array();
  for (const ObjectPtr& object : objects) {
    Json whole = ShownDocument(backend, place, *object);
    if (view.form == View::Form::kTable) {
      items.push_back(RowOf(backend, view, place, std::move(whole)));
    } else {
      items.push_back(view.form == View::Form::kMetadata ? MetadataOf(whole) : std::move(whole));
    }
  }
  if (view.form == View::Form::kTable) {
    return TableOf(view, ColumnsOf(place.info->kind), std::move(items), ListMetadataJson(metadata));
  }
  const bool partial = view.form == View::Form::kMetadata;
  return {{"kind", partial ? "PartialObjectMetadataList" : std::string(place.info->name) + "List"},
          {"apiVersion", partial ? "meta.k8s.io/v1" : place.api_version()},
          {"metadata", ListMetadataJson(metadata)},
          {"items", std::move(items)}};
}

}  // namespace vsplit
