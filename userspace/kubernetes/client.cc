// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "item.h"
#include "transfer.h"
#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit {

using kubernetes::Transfer;
using kubernetes::TransferEnd;
using kubernetes::TransferHandlers;

constexpr std::size_t kAnswerBytes = 4u << 20;  // etcd holds 1.5 MiB in one object
constexpr unsigned kFirstFailure = 300;

std::string ApiAnswer::Trouble() const {
  if (status == 0) {
    return trouble.empty() ? "there was no answer" : trouble;
  }
  return status < kFirstFailure
             ? ""
             : "HTTP status " + std::to_string(status) + ": " + kubernetes::MessageOf(body);
}

struct ApiClient::State : std::enable_shared_from_this<ApiClient::State> {
  State(boost::asio::io_context& the_loop, KubernetesOptions the_options)
      : loop(the_loop), options(std::move(the_options)), limit(the_loop) {}

  void Ask();
  void Connect();
  TransferHandlers Handlers(bool reused);
  void Finish(std::string trouble);

  boost::asio::io_context& loop;
  KubernetesOptions options;
  boost::asio::steady_timer limit;  // of the whole answer
  std::unique_ptr<Transfer> transfer;
  ApiRequest request;
  std::function<void(ApiAnswer)> done;  // empty: none is under way
  ApiAnswer answer;
  std::uint64_t number = 0;  // of the present request
};

TransferHandlers ApiClient::State::Handlers(bool reused) {
  // A transfer calls nobody once it is destroyed, and this owns it.
  return {.head =
              [this](unsigned status, std::chrono::milliseconds retry_after) {
                answer.status = status;
                answer.retry_after = retry_after;
              },
          .body =
              [this](std::string_view piece) {
                answer.body +=
                    piece.substr(0, kAnswerBytes - std::min(kAnswerBytes, answer.body.size()));
                return answer.body.size() < kAnswerBytes;
              },
          .end =
              [this, reused](TransferEnd how) {
                const std::shared_ptr<State> self = shared_from_this();
                if (reused && answer.status == 0) {
                  return Connect();  // the server had closed it, as it does with idle ones
                }
                Finish(std::move(how.trouble));
              }};
}

void ApiClient::State::Ask() {
  limit.expires_after(options.connect + options.silence);
  limit.async_wait([weak = weak_from_this(), mine = number](boost::system::error_code error) {
    const std::shared_ptr<State> self = weak.lock();
    if (!error && self != nullptr && self->done && self->number == mine) {
      self->transfer.reset();
      self->Finish("the answer was not whole in time");
    }
  });
  if (transfer == nullptr || !transfer->Again(request, Handlers(true))) {
    Connect();
  }
}

void ApiClient::State::Connect() {
  Result<std::unique_ptr<Transfer>> started =
      Transfer::Start(loop, options, request, Handlers(false), Transfer::Connection::kKept);
  if (started) {
    transfer = *std::move(started);
    return;
  }
  boost::asio::post(loop, [self = shared_from_this(), mine = number,
                           trouble = std::move(started.error().message)] {
    if (self->done && self->number == mine) {
      self->Finish(trouble);
    }
  });
}

void ApiClient::State::Finish(std::string trouble) {
  limit.cancel();
  if (!trouble.empty()) {
    transfer.reset();
    answer.status = 0;  // what has come of it says nothing
    answer.trouble = std::move(trouble);
  }
  const std::function<void(ApiAnswer)> finished = std::exchange(done, {});
  finished(std::exchange(answer, {}));
}

ApiClient::ApiClient(boost::asio::io_context& loop, KubernetesOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}
ApiClient::ApiClient(ApiClient&& other) noexcept = default;
ApiClient& ApiClient::operator=(ApiClient&& other) noexcept = default;

ApiClient::~ApiClient() {
  if (state_ != nullptr) {
    state_->done = {};
    state_->transfer.reset();
  }
}

void ApiClient::Send(ApiRequest request, std::function<void(ApiAnswer)> done) {
  state_->request = std::move(request);
  state_->done = std::move(done);
  state_->answer = {};
  ++state_->number;
  state_->Ask();
}

bool ApiClient::busy() const {
  return static_cast<bool>(state_->done);
}

}  // namespace vsplit
