// SPDX-License-Identifier: Apache-2.0
// In which form a client wants objects: whole, as rows of a table, or their metadata alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {

struct View {
  enum class Form : std::uint8_t { kObject, kTable, kMetadata };
  enum class Include : std::uint8_t { kNone, kMetadata, kObject };  // in a row of a table

  Form form = Form::kObject;
  std::string table_version = "meta.k8s.io/v1";
  Include include = Include::kMetadata;
};

// By the headers and parameters of the Kubernetes API: `as=Table` or `as=PartialObjectMetadata` in
// Accept, ?includeObject. 400 for an includeObject that is none.
Outcome<View> ViewOf(const Call& call);

// What a list says beside its items.
struct ListMetadata {
  std::uint64_t resource_version = 0;
  std::string continue_token;  // empty: the list is complete
  std::size_t remaining = 0;   // items behind it
};

// What is special about one kind of objects in all of that.
struct Appearance {
  std::string kind;  // "Service"
  std::string api_version;
  std::function<Json()> columns;
  std::function<Json(const Json& object)> cells;
};
Appearance AppearanceOf(const Backend& backend, const Place& place);

// The same as below of objects that are rendered already.
Json ViewRendered(const Appearance& as, const View& view, Json object, bool with_columns);
Json ViewRenderedList(const Appearance& as, const View& view, std::vector<Json> objects,
                      const ListMetadata& metadata);

// One object; of a table, one with a single row. The columns are said in the first one of a watch.
Json ViewObject(const Backend& backend, const View& view, const Place& place, const Object& object);
Json ViewList(const Backend& backend, const View& view, const Place& place,
              const std::vector<ObjectPtr>& objects, const ListMetadata& metadata);

}  // namespace vsplit
