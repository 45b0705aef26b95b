// SPDX-License-Identifier: Apache-2.0
// Names come by the hundred thousand, and each of them many times: of a namespace, a node, a label.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace vsplit {

class InternedString;

// Texts of other types.
template <class Text>
concept OtherText =
    !std::same_as<Text, InternedString> && std::convertible_to<const Text&, std::string_view>;

// A text of which there is one copy, however many have it: as large as a pointer, and compared as
// one. It goes when the last one that has it goes. For texts that are kept; one that is only looked
// at is better a std::string_view. Any thread may make and drop them.
class InternedString {
 public:
  InternedString() = default;  // empty
  template <OtherText Text>
  InternedString(const Text& text)  // NOLINT(google-explicit-constructor): a text among texts
      : entry_(Take(std::string_view(text))) {}
  InternedString(const InternedString& other) : entry_(other.entry_) { Retain(); }
  InternedString(InternedString&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  InternedString& operator=(InternedString other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~InternedString() {
    if (entry_ != nullptr) {
      Release();
    }
  }

  // Valid as long as this or a copy of it is.
  const std::string& str() const;
  // NOLINTBEGIN(google-explicit-constructor): a text among texts
  operator const std::string&() const { return str(); }
  operator std::string_view() const { return str(); }
  // NOLINTEND(google-explicit-constructor)

  bool empty() const { return entry_ == nullptr; }
  std::size_t size() const { return str().size(); }
  void clear() { *this = InternedString(); }
  bool starts_with(std::string_view text) const { return str().starts_with(text); }
  bool ends_with(std::string_view text) const { return str().ends_with(text); }

  friend bool operator==(const InternedString& left, const InternedString& right) {
    return left.entry_ == right.entry_;
  }
  // By the bytes of the texts.
  friend std::strong_ordering operator<=>(const InternedString& left, const InternedString& right) {
    return left.entry_ == right.entry_ ? std::strong_ordering::equal : left.str() <=> right.str();
  }
  template <OtherText Text>
  friend bool operator==(const InternedString& left, const Text& right) {
    return std::string_view(left) == std::string_view(right);
  }
  template <OtherText Text>
  friend std::strong_ordering operator<=>(const InternedString& left, const Text& right) {
    return std::string_view(left) <=> std::string_view(right);
  }
  template <OtherText Text>
  friend std::string operator+(const Text& left, const InternedString& right) {
    return std::string(left) += right.str();
  }
  template <OtherText Text>
  friend std::string operator+(const InternedString& left, const Text& right) {
    return std::string(left.str()) += std::string_view(right);
  }
  friend std::string operator+(const InternedString& left, char right) {
    return std::string(left.str()) += right;
  }

 private:
  friend struct std::hash<InternedString>;
  struct Entry;
  class Pool;

  static Entry* Take(std::string_view text);
  void Retain() const;
  void Release() const;

  Entry* entry_ = nullptr;  // null: the empty text
};

}  // namespace vsplit

template <>
struct std::hash<vsplit::InternedString> {
  std::size_t operator()(const vsplit::InternedString& text) const {
    return std::hash<const void*>{}(text.entry_);
  }
};
