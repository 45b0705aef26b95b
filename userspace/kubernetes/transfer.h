// SPDX-License-Identifier: Apache-2.0
// One request over a connection of its own, its answer handed on piece by piece.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {

struct TransferEnd {
  std::string trouble;  // empty: the answer was whole, or `body` had enough
  bool silent = false;  // the trouble is that no piece has come for options.silence
};

struct TransferHandlers {
  std::function<void(unsigned status, std::chrono::milliseconds retry_after)> head;
  // False: enough, the connection may be closed.
  std::function<bool(std::string_view piece)> body;
  // The last call, always made unless the transfer is destroyed before.
  std::function<void(TransferEnd)> end;
};

// Destroying it gives up what is under way; no handler is called afterwards, nor from within Start.
class Transfer {
 public:
  virtual ~Transfer() = default;
  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  Transfer(Transfer&&) = delete;
  Transfer& operator=(Transfer&&) = delete;

  // Another request over the same connection, whose last answer was whole. False: it is closed, or
  // there is no token, and no handler will be called.
  virtual bool Again(const ApiRequest& request, TransferHandlers handlers) = 0;

  enum class Connection : std::uint8_t {
    kOnce,  // closed after the answer
    kKept,  // stays, for Again
  };
  // Fails when a certificate, a key or the token's file cannot be read.
  static Result<std::unique_ptr<Transfer>> Start(boost::asio::io_context& loop,
                                                 const KubernetesOptions& options,
                                                 const ApiRequest& request,
                                                 TransferHandlers handlers,
                                                 Connection connection = Connection::kOnce);
};

}  // namespace vsplit::kubernetes
