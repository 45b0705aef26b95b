// SPDX-License-Identifier: Apache-2.0
#include "protobuf.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "json.h"
#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::string_view kMagic("k8s\0", 4);
constexpr std::size_t kPieces = 5000;  // of one message; finding a field costs their number

// Field numbers of k8s.io/apimachinery, runtime/generated.proto and util/intstr/generated.proto.
constexpr std::array kTypeMeta = {ProtoField{1, "apiVersion"}, ProtoField{2, "kind"}};
constexpr std::array kHead = {ProtoField{1, "typeMeta", kTypeMeta}};
constexpr unsigned kRaw = 2;
constexpr std::array kEntryFields = {ProtoField{1, "key"}, ProtoField{2, "value"}};
constexpr std::array kIntOrStringFields = {
    ProtoField{1, "type", {}, ProtoType::kNumber},  // 0: an integer
    ProtoField{2, "integer", {}, ProtoType::kNumber},
    ProtoField{3, "text"},
};

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
  std::uint64_t value = 0;                // of a number
  std::optional<std::string_view> bytes;  // nothing: it is a number
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
    case kVarint: {
      const std::optional<std::uint64_t> value = TakeVarint(rest);
      piece.value = value.value_or(0);
      return value ? std::optional(piece) : std::nullopt;
    }
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

bool IsNothing(const Json& value) {
  return value.is_null() || value.empty() || value == "" || value == 0 || value == false;
}

Json IntOrString(const Json& value) {
  return value.contains("type") ? value.value("text", Json()) : value.value("integer", Json());
}

// Malformed if it is no UTF-8, as in JSON: what prints it relies on that.
Result<Json> TextOf(std::string_view bytes) {
  Json text = std::string(bytes);
  if (Json::parse(DumpValue(text)) != text) {  // in which other bytes are U+FFFD
    return Malformed();
  }
  return text;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the table of fields
Result<Json> ValueOf(const Piece& piece, const ProtoField& field, ProtoRest rest) {
  const bool in_bytes = field.type != ProtoType::kNumber && field.type != ProtoType::kTruth;
  if (in_bytes != piece.bytes.has_value()) {
    return Malformed();
  }
  switch (field.type) {
    case ProtoType::kNumber:
      return Json(static_cast<std::int64_t>(piece.value));
    case ProtoType::kTruth:
      return Json(piece.value != 0);
    case ProtoType::kEntry:
      return ReadProto(*piece.bytes, kEntryFields);
    case ProtoType::kIntOrString: {
      const Result<Json> value = ReadProto(*piece.bytes, kIntOrStringFields);
      return value ? Result<Json>(IntOrString(*value)) : value;
    }
    case ProtoType::kText:
    case ProtoType::kIgnored:
      break;
  }
  return field.below.empty() ? TextOf(*piece.bytes) : ReadProto(*piece.bytes, field.below, rest);
}

void Put(const ProtoField& field, Json value, Json& map) {
  if (field.type == ProtoType::kEntry) {
    map[field.name][value.value("key", "")] = value.value("value", "");
  } else if (field.repeated) {
    map[field.name].push_back(std::move(value));
  } else if (!IsNothing(value)) {
    map[field.name] = std::move(value);
  }
}

}  // namespace

// NOLINTNEXTLINE(misc-no-recursion): as deep as the table of fields
Result<Json> ReadProto(std::string_view message, std::span<const ProtoField> fields,
                       ProtoRest rest) {
  Json map = Json::object();
  for (std::size_t pieces = 1; !message.empty(); ++pieces) {
    const std::optional<Piece> piece = TakePiece(message);
    if (!piece) {
      return Malformed();
    }
    if (pieces > kPieces) {
      return Fail("found more than " + std::to_string(kPieces) + " fields in one message",
                  Error::Reason::kInvalid);
    }
    const auto field = std::ranges::find(fields, piece->number, &ProtoField::number);
    if (field == fields.end() && rest == ProtoRest::kRefused) {
      return Fail("found the field " + std::to_string(piece->number) + ", which is not understood",
                  Error::Reason::kInvalid);
    }
    if (field == fields.end() || field->type == ProtoType::kIgnored) {
      continue;
    }
    Result<Json> value = ValueOf(*piece, *field, rest);
    if (!value) {
      return value;
    }
    Put(*field, *std::move(value), map);
  }
  return map;
}

Result<ProtoEnvelope> OpenProto(std::string_view body) {
  if (!body.starts_with(kMagic)) {
    return Malformed();
  }
  body.remove_prefix(kMagic.size());
  const Result<Json> head = ReadProto(body, kHead);
  if (!head) {
    return tl::unexpected(head.error());
  }
  ProtoEnvelope envelope{.api_version = TextAt(*head, "/typeMeta/apiVersion"),
                         .kind = TextAt(*head, "/typeMeta/kind"),
                         .raw = {}};
  for (auto piece = TakePiece(body); piece; piece = TakePiece(body)) {
    if (piece->number == kRaw && piece->bytes) {
      envelope.raw = *piece->bytes;
    }
  }
  return envelope;
}

}  // namespace vsplit
