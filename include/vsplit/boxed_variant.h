// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>
#include <variant>

#include "vsplit/boxed.h"

namespace vsplit {

// A std::variant whose value takes the room that it needs, and not that of the largest type: where
// most are of small ones. The first type unless said otherwise. What was moved from has no value,
// and is only assigned to or destroyed.
template <class First, class... Others>
class BoxedVariant {
 public:
  static constexpr std::size_t kTypes = 1 + sizeof...(Others);
  template <class T>
  static constexpr bool kIsOneOfThem = std::same_as<T, First> || (std::same_as<T, Others> || ...);

  BoxedVariant() : BoxedVariant(First()) {}
  template <class T>
    requires kIsOneOfThem<T>
  BoxedVariant(T value)  // NOLINT(google-explicit-constructor): like std::variant's
      : value_(Boxed<T>(std::move(value))) {}

  template <class T>
  bool Is() const {
    return std::holds_alternative<Boxed<T>>(value_);
  }
  // Null when it is of another type.
  template <class T>
  const T* Find() const {
    return Is<T>() ? &Get<T>() : nullptr;
  }
  template <class T>
  T* Find() {
    return Is<T>() ? &Get<T>() : nullptr;
  }
  // Throws std::bad_variant_access when it is of another type.
  template <class T>
  const T& Get() const {
    return *std::get<Boxed<T>>(value_);
  }
  template <class T>
  T& Get() {
    return *std::get<Boxed<T>>(value_);
  }
  template <class T>
  T& Emplace() {
    return value_.template emplace<Boxed<T>>().emplace();
  }

  // Of its type, in the order of the types.
  std::size_t index() const { return value_.index(); }

  bool operator==(const BoxedVariant&) const = default;

 private:
  std::variant<Boxed<First>, Boxed<Others>...> value_;
};

}  // namespace vsplit
