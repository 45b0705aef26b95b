// SPDX-License-Identifier: Apache-2.0
// What `-f` names, read into one text: everything in it is applied as one transaction.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {

struct Manifest {
  struct Part {
    std::string file;
    int first_line = 1;  // of the file within `text`
  };
  std::string text;
  std::vector<Part> parts;  // in order; at least one

  // The name under which the agent is to report places in the text.
  std::string Source() const;
  // `message` with places in the joined text replaced by the files and lines they came from.
  std::string Locate(const std::string& message) const;
};

using NamedText = std::pair<std::string, std::string>;  // name of a file, its content

// Each name is a file, "-" for the standard input, or a folder, of which the files *.yaml, *.yml
// and *.json are taken, in the order of their names; recursively: those of its folders too. All of
// them together may have as many bytes as one text (parse.h).
Result<std::vector<NamedText>> ReadTexts(const std::vector<std::string>& names, bool recursive);
// The same, joined.
Result<Manifest> ReadManifest(const std::vector<std::string>& names, bool recursive = false);

Manifest JoinTexts(const std::vector<NamedText>& texts);

}  // namespace vsplit
