// SPDX-License-Identifier: Apache-2.0
// What reading costs: N services (default 10 000), each a Service, an EndpointSlice with ten
// endpoints, a DestinationRule with two subsets and a VirtualService, as YAML documents and as a
// stream of JSON values. Seconds are of processor time, so that a busy machine does not matter.
#include <fmt/core.h>
#include <sys/resource.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "services.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace {

std::string AllOf(int services) {
  std::string text;
  for (int service = 0; service < services; ++service) {
    text += vsplit::bench::RulesOf(service);
  }
  return text;
}

std::size_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  constexpr double kNanosecond = 1e-9;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

// Reads the text and says how long that took. The peak only ever grows: it counts the text too.
vsplit::ParseResult Measure(std::string_view name, const std::string& text) {
  const double start = ProcessorSeconds();
  vsplit::ParseResult result = vsplit::Parse(text);
  const double seconds = ProcessorSeconds() - start;
  constexpr double kMegabyte = 1e6;
  fmt::print(
      "{}: {} objects, {:.1f} MB in {:.3f} s = {:.0f} MB/s, {:.0f} objects/s, peak {:.0f} MB\n",
      name, result.objects.size(), static_cast<double>(text.size()) / kMegabyte, seconds,
      static_cast<double>(text.size()) / kMegabyte / seconds,
      static_cast<double>(result.objects.size()) / seconds,
      static_cast<double>(PeakBytes()) / kMegabyte);
  for (const vsplit::Diagnostic& diagnostic : result.diagnostics) {
    fmt::print("{}\n", ToString(diagnostic));
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kServices = 10'000;
  const int services = argc > 1 ? std::atoi(argv[1]) : kServices;
  const std::string yaml = AllOf(services);
  std::string json;
  {
    const vsplit::ParseResult result = Measure("YAML", yaml);
    for (const vsplit::Object& object : result.objects) {
      json += object.json.str();
      json += '\n';
    }
  }
  Measure("JSON", json);
  return 0;
}
