// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/uuid/uuid.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/interned_string.h"

namespace vsplit {

// metadata.uid of an object. Every object has one of its own, and nearly all are UUIDs (RFC 9562)
// in lower case, as Kubernetes makes them: of those only the 16 bytes are kept.
class Uid {
 public:
  Uid() = default;  // empty
  template <OtherText Text>
  Uid(const Text& text)  // NOLINT(google-explicit-constructor): a text among texts
      : Uid(Parse(std::string_view(text))) {}

  std::string str() const;  // exactly what was given
  bool empty() const { return uuid_.is_nil() && other_.empty(); }
  bool operator==(const Uid&) const = default;

 private:
  Uid(const boost::uuids::uuid& uuid, InternedString other)
      : uuid_(uuid), other_(std::move(other)) {}
  static Uid Parse(std::string_view text);

  boost::uuids::uuid uuid_{};  // nil: `other_` is the text
  InternedString other_;
};

}  // namespace vsplit
