// SPDX-License-Identifier: Apache-2.0
#include "verdicts.h"

#include <string>

#include "json.h"

namespace vsplit {

std::string VerdictText(const Json& verdict) {
  std::string place = TextAt(verdict, "/host");
  if (const std::string port = TextAt(verdict, "/port"); !port.empty() && port != "0") {
    place += ":" + port;
  }
  std::string text;
  for (const std::string& part : {TextAt(verdict, "/object"), TextAt(verdict, "/path"), place,
                                  TextAt(verdict, "/verdict"), TextAt(verdict, "/reason")}) {
    text += (text.empty() || part.empty() ? "" : ": ") + part;
  }
  return text;
}

}  // namespace vsplit
