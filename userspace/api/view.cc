// SPDX-License-Identifier: Apache-2.0
#include "view.h"

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

Json RowOf(const Appearance& as, const View& view, Json object) {
  Json row = {{"cells", as.cells(object)}};
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

Appearance AppearanceOf(const Backend& backend, const Place& place) {
  const Kind kind = place.info->kind;
  return {.kind = std::string(place.info->name),
          .api_version = place.api_version(),
          .columns = [kind] { return ColumnsOf(kind); },
          .cells = [kind, now = backend.now](
                       const Json& object) { return CellsOf(kind, object, now()); }};
}

Json ViewRendered(const Appearance& as, const View& view, Json object, bool with_columns) {
  switch (view.form) {
    case View::Form::kObject:
      break;
    case View::Form::kMetadata:
      return MetadataOf(object);
    case View::Form::kTable: {
      Json metadata = {{"resourceVersion", object["metadata"]["resourceVersion"]}};
      return TableOf(view, with_columns ? as.columns() : Json(),
                     Json::array({RowOf(as, view, std::move(object))}), std::move(metadata));
    }
  }
  return object;
}

Json ViewRenderedList(const Appearance& as, const View& view, std::vector<Json> objects,
                      const ListMetadata& metadata) {
  Json items = Json::array();
  for (Json& object : objects) {
    if (view.form == View::Form::kTable) {
      items.push_back(RowOf(as, view, std::move(object)));
    } else {
      items.push_back(view.form == View::Form::kMetadata ? MetadataOf(object) : std::move(object));
    }
  }
  if (view.form == View::Form::kTable) {
    return TableOf(view, as.columns(), std::move(items), ListMetadataJson(metadata));
  }
  const bool partial = view.form == View::Form::kMetadata;
  return {{"kind", partial ? "PartialObjectMetadataList" : as.kind + "List"},
          {"apiVersion", partial ? "meta.k8s.io/v1" : as.api_version},
          {"metadata", ListMetadataJson(metadata)},
          {"items", std::move(items)}};
}

Json ViewObject(const Backend& backend, const View& view, const Place& place,
                const Object& object) {
  return ViewRendered(AppearanceOf(backend, place), view, ShownDocument(backend, place, object),
                      true);
}

Json ViewList(const Backend& backend, const View& view, const Place& place,
              const std::vector<ObjectPtr>& objects, const ListMetadata& metadata) {
  std::vector<Json> shown;
  shown.reserve(objects.size());
  for (const ObjectPtr& object : objects) {
    shown.push_back(ShownDocument(backend, place, *object));
  }
  return ViewRenderedList(AppearanceOf(backend, place), view, std::move(shown), metadata);
}

}  // namespace vsplit
