// SPDX-License-Identifier: Apache-2.0
#include "verdicts.h"

#include <string>

#include "vsplit/json.h"

namespace vsplit {

std::string SourcesText(const Json& verdict) {
  const Json& sources = ItemsAt(verdict, "/sources");
  if (sources.empty()) {
    return "";
  }
  const std::string more =
      sources.size() == 1 ? "" : " and " + std::to_string(sources.size() - 1) + " more";
  return " (from " + TextAt(verdict, "/sources/0") + more + ")";
}

std::string VerdictText(const Json& verdict) {
  std::string place = TextAt(verdict, "/host");
  if (const std::string port = TextAt(verdict, "/port"); !port.empty() && port != "0") {
    place += ":" + port;
  }
  place += SourcesText(verdict);
  std::string text;
  for (const std::string& part : {TextAt(verdict, "/object"), TextAt(verdict, "/path"), place,
                                  TextAt(verdict, "/verdict"), TextAt(verdict, "/reason")}) {
    text += (text.empty() || part.empty() ? "" : ": ") + part;
  }
  return text;
}

}  // namespace vsplit
