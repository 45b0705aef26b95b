// SPDX-License-Identifier: Apache-2.0
// Metrics and health over plain HTTP on a port of TCP, for whoever watches over the agent: whoever
// reaches the port may read these, and nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {

struct Monitor {
  std::string url;
  std::function<void()> stop;
};

// GET of the paths of health and metrics, 404 for all others. Bounded by `bounds`, but for bodies,
// which no such request has.
Result<Monitor> ListenForMonitors(boost::asio::io_context& loop, const MetricsOptions& options,
                                  ServerOptions bounds, std::shared_ptr<const Backend> backend);

}  // namespace vsplit
