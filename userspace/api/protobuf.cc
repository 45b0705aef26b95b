// SPDX-License-Identifier: Apache-2.0
#include "protobuf.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);
constexpr unsigned kRaw = 2;  // runtime.Unknown.raw

enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::optional<std::uint64_t> TakeVarint(std::string_view& rest) {
  constexpr unsigned kBits = 7;
  constexpr unsigned kAllBits = 64;
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < kAllBits && !rest.empty(); shift += kBits) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) {
      return number;
    }
  }
  return std::nullopt;
}

struct Piece {
  std::uint64_t number = 0;
  std::optional<std::string_view> bytes;  // nothing: a number, which is passed over
};

// Nothing: the message is malformed.
std::optional<Piece> TakePiece(std::string_view& rest) {
  const std::optional<std::uint64_t> key = TakeVarint(rest);
  if (!key) {
    return std::nullopt;
  }
  Piece piece{.number = *key >> 3U};
  std::optional<std::uint64_t> size;
  switch (*key & 7U) {
    case kVarint:
      return TakeVarint(rest) ? std::optional(piece) : std::nullopt;
    case kFixed64:
      size = sizeof(std::uint64_t);
      break;
    case kFixed32:
      size = sizeof(std::uint32_t);
      break;
    case kBytes:
      size = TakeVarint(rest);
      break;
    default:
      break;
  }
  if (!size || *size > rest.size()) {
    return std::nullopt;
  }
  if ((*key & 7U) == kBytes) {
    piece.bytes = rest.substr(0, *size);
  }
  rest.remove_prefix(*size);
  return piece;
}

tl::unexpected<Error> Malformed() {
  return Fail("malformed protobuf", Error::Reason::kInvalid);
}

}  // namespace

// NOLINTNEXTLINE(misc-no-recursion): as deep as the table of fields
Result<Json> ReadProto(std::string_view message, std::span<const ProtoField> fields) {
  Json map = Json::object();
  while (!message.empty()) {
    const std::optional<Piece> piece = TakePiece(message);
    if (!piece) {
      return Malformed();
    }
    const auto field = std::ranges::find(fields, piece->number, &ProtoField::number);
    if (field == fields.end() || !piece->bytes) {
      continue;
    }
    if (field->below.empty()) {
      map[field->name] = std::string(*piece->bytes);
      continue;
    }
    Result<Json> below = ReadProto(*piece->bytes, field->below);
    if (!below) {
      return below;
    }
    map[field->name] = *std::move(below);
  }
  return map;
}

Result<std::string_view> OpenProto(std::string_view body) {
  if (!body.starts_with(kMagic)) {
    return Malformed();
  }
  body.remove_prefix(kMagic.size());
  std::string_view raw;
  while (!body.empty()) {
    const std::optional<Piece> piece = TakePiece(body);
    if (!piece) {
      return Malformed();
    }
    if (piece->number == kRaw && piece->bytes) {
      raw = *piece->bytes;
    }
  }
  return raw;
}

}  // namespace vsplit
