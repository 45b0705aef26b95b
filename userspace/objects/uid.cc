// SPDX-License-Identifier: Apache-2.0
#include "vsplit/uid.h"

#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vsplit {

Uid Uid::Parse(std::string_view text) {
  constexpr std::size_t kCharacters = 36;
  if (text.size() == kCharacters) {
    try {
      const boost::uuids::uuid uuid = boost::uuids::string_generator()(text.begin(), text.end());
      if (!uuid.is_nil() && boost::uuids::to_string(uuid) == text) {
        return {uuid, {}};
      }
    } catch (const std::runtime_error&) {  // no UUID
    }
  }
  return {boost::uuids::uuid{}, text};
}

std::string Uid::str() const {
  return uuid_.is_nil() ? other_.str() : boost::uuids::to_string(uuid_);
}

}  // namespace vsplit
