// SPDX-License-Identifier: Apache-2.0
// The text format of Prometheus, version 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vsplit {

using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

class Exposition {
 public:
  // Begins a family; its samples follow. `type` is counter, gauge or histogram.
  void Family(std::string_view name, std::string_view type, std::string_view help);
  // A sample of the family; `suffix` is "_bucket" and the like for a histogram.
  void Sample(const MetricLabels& labels, std::uint64_t value) { Add("", labels, value); }
  void Signed(const MetricLabels& labels, std::int64_t value);
  void Add(std::string_view suffix, const MetricLabels& labels, std::uint64_t value);
  void Add(std::string_view suffix, const MetricLabels& labels, double value);

  std::string Take() { return std::move(text_); }

 private:
  void Begin(std::string_view suffix, const MetricLabels& labels);

  std::string text_;
  std::string family_;
};

}  // namespace vsplit
