// SPDX-License-Identifier: Apache-2.0
// A folder that no other test has, not even one that runs at the same time.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace vsplit {

// Gone with its owner.
class TempFolder {
 public:
  TempFolder() {
    std::string name = std::filesystem::temp_directory_path() / "vsplit-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  TempFolder(TempFolder&&) = delete;
  TempFolder& operator=(TempFolder&&) = delete;

  std::string file() const { return file("objects.db"); }
  std::string file(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace vsplit
