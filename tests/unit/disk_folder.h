// SPDX-License-Identifier: Apache-2.0
// A folder for a disk, and what the tests of disk put into it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "temp_folder.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

inline ObjectPtr MakeObject(Kind kind, const std::string& ns, const std::string& name,
                            std::string json,
                            Version version = {.resource_version = 1,
                                               .generation = 1,
                                               .uid = "uid",
                                               .creation_timestamp = "2024-10-10T07:03:57Z"}) {
  Object object{.key = {.kind = kind, .ns = ns, .name = name},
                .json = std::move(json),
                .version = std::move(version)};
  return std::make_shared<const Object>(std::move(object));
}

inline Change Put(const ObjectPtr& object) {
  return {.key = object->key, .after = object};
}
inline Change Remove(const ObjectPtr& object) {
  return {.key = object->key, .before = object};
}

inline Disk Open(const std::string& path) {
  Result<Disk> disk = Disk::Open(path);
  if (!disk) {
    ADD_FAILURE() << disk.error().message;
    std::abort();
  }
  return std::move(*disk);
}

inline std::vector<std::string> Texts(const DiskContent& content) {
  std::vector<std::string> texts;
  texts.reserve(content.objects.size());
  for (const DiskContent::Stored& stored : content.objects) {
    texts.push_back(stored.json);
  }
  return texts;
}

inline std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace vsplit
