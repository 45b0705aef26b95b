// SPDX-License-Identifier: Apache-2.0
// top, and what it shares with status: the live split.
#include <fmt/core.h>
#include <langinfo.h>
#include <sys/ioctl.h>  // IWYU pragma: keep: TIOCGWINSZ
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "agent.h"
#include "commands.h"
#include "split_view.h"
#include "terminal.h"
#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr double kNanoseconds = 1e9;

double Drawn(const Json& split) {
  double drawn = 0;
  for (const Json& route : ItemsAt(split, "/routes")) {
    for (const Json& cluster : ItemsAt(route, "/clusters")) {
      drawn += NumberAt(cluster, "/opened") + NumberAt(cluster, "/refused") +
               NumberAt(cluster, "/limited");
    }
  }
  return drawn;
}

std::string Headline(const Json& now, const Json* before) {
  std::string text =
      fmt::format("generation {}   routes {}   connections {:.0f}", IntegerAt(now, "/generation"),
                  ItemsAt(now, "/routes").size(), Drawn(now));
  if (before != nullptr) {
    const double seconds = (NumberAt(now, "/time") - NumberAt(*before, "/time")) / kNanoseconds;
    const double since = Drawn(now) - Drawn(*before);
    text += seconds > 0 && since >= 0 ? fmt::format("   {:.0f}/s", since / seconds) : "";
  }
  return text + "\n\n";
}

std::string Frame(const Json& now, const Json* before, const ViewOptions& view) {
  const std::string split = SplitView(now, before, view);
  return Headline(now, before) +
         (split.empty()
              ? "No route is in force: apply a VirtualService for a Service that exists.\n"
              : split);
}

// Draws over the frame before, so that nothing flickers.
void Redraw(const std::string& frame) {
  std::string lines = "\x1b[H";
  for (const char c : frame) {
    lines += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
  }
  fmt::print("{}\x1b[J", lines);
}

}  // namespace

Terminal TerminalOf(int descriptor) {
  Terminal terminal;
  terminal.interactive = isatty(descriptor) == 1;
  winsize size{};
  // NOLINTNEXTLINE(misc-include-cleaner): sys/ioctl.h has TIOCGWINSZ
  if (terminal.interactive && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = size.ws_col;
  }
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): the program has one thread
  terminal.utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;  // NOLINT(concurrency-mt-unsafe)
  return terminal;
}

Result<void> Top(const Agent& agent, const TopOptions& options) {
  std::optional<Json> before;
  const bool clear = TerminalOf(STDOUT_FILENO).interactive && !options.once;
  if (clear) {
    fmt::print("\x1b[2J");
  }
  for (;;) {
    const Result<Json> now = agent.CallJson({.target = "/apis/vsplit.io/v1/split"});
    if (!now) {
      return tl::unexpected<Error>(now.error());
    }
    const Terminal terminal = TerminalOf(STDOUT_FILENO);
    const ViewOptions view{.width = terminal.width, .utf8 = terminal.utf8, .host = options.host};
    const std::string frame = Frame(*now, before ? &*before : nullptr, view);
    const bool last = options.once && (before || !options.measure);
    if (clear) {
      Redraw(frame);
    } else if (last || !options.once) {
      fmt::print("{}{}", before && !last ? "\n" : "", frame);
    }
    if (std::fflush(stdout) != 0 || last) {
      return {};
    }
    before = *now;
    std::this_thread::sleep_for(options.interval);
  }
}

}  // namespace vsplit
