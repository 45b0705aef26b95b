// SPDX-License-Identifier: Apache-2.0
#include "vsplit/kubernetes.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "mirror.h"
#include "reflector.h"
#include "transfer.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

using kubernetes::Mirror;
using kubernetes::Question;
using kubernetes::Reflector;
using kubernetes::Transfer;
using kubernetes::TransferEnd;
using kubernetes::TransferHandlers;

// Of an answer that says why there is none: its message is at the beginning.
constexpr std::size_t kRefusalBytes = 64u << 10;

struct Kubernetes::State : std::enable_shared_from_this<Kubernetes::State> {
  // One collection, and the answer to its present question.
  struct Following {
    Following(boost::asio::io_context& loop, const Collection& collection,
              const KubernetesOptions& options)
        : reflector(collection, options), timer(loop) {}

    Reflector reflector;
    boost::asio::steady_timer timer;
    std::unique_ptr<Transfer> transfer;
    Question question;
    std::chrono::steady_clock::time_point asked;
    unsigned status = 0;
    std::chrono::milliseconds retry_after{};
    std::string rest;  // what has come of a line or a document
  };

  State(boost::asio::io_context& the_loop, KubernetesOptions the_options,
        std::function<void()> on_change)
      : loop(the_loop), options(std::move(the_options)), changed(std::move(on_change)) {}

  void Ask(const Collection& collection);
  void AskAfter(const Collection& collection, std::chrono::milliseconds wait);
  bool TakePiece(Following& following, std::string_view piece);
  bool TakeLines(Following& following);
  void TakeEnd(const Collection& collection, TransferEnd how);
  void Note(const Collection& collection);
  void Tell();
  double Chance() { return std::uniform_real_distribution<double>(0, 1)(random); }

  // The collection's, unless it is forgotten meanwhile.
  Following* Find(const Collection& collection) {
    const auto found = following.find(collection);
    return found == following.end() ? nullptr : found->second.get();
  }

  boost::asio::io_context& loop;
  KubernetesOptions options;
  std::function<void()> changed;
  Mirror mirror;
  std::map<Collection, std::unique_ptr<Following>> following;
  std::map<Collection, CollectionStatus> statuses;
  bool telling = false;  // `changed` is about to be called
  std::minstd_rand random{std::random_device{}()};
};

void Kubernetes::State::Ask(const Collection& collection) {
  Following* const entry = Find(collection);
  if (entry == nullptr) {
    return;
  }
  Following& followed = *entry;
  followed.question = followed.reflector.Next(Chance());
  followed.asked = std::chrono::steady_clock::now();
  followed.status = 0;
  followed.retry_after = {};
  followed.rest.clear();
  const std::weak_ptr<State> self = weak_from_this();
  // A transfer calls nobody once it is destroyed, and that is with its Following at the latest.
  TransferHandlers handlers{
      .head =
          [self, collection, &followed](unsigned status, std::chrono::milliseconds retry_after) {
            followed.status = status;
            followed.retry_after = retry_after;
            const std::shared_ptr<State> state = self.lock();
            if (status == 200 && state != nullptr) {
              followed.reflector.TakeStart();
              state->Note(collection);  // nothing more may come for long
            }
          },
      .body =
          [self, collection, &followed](std::string_view piece) {
            const std::shared_ptr<State> state = self.lock();
            if (state == nullptr) {
              return false;
            }
            const bool more = state->TakePiece(followed, piece);
            state->Note(collection);
            return more;
          },
      .end =
          [self, collection](TransferEnd how) {
            if (const std::shared_ptr<State> state = self.lock()) {
              state->TakeEnd(collection, std::move(how));
            }
          }};
  Result<std::unique_ptr<Transfer>> transfer =
      Transfer::Start(loop, options, {.target = followed.question.target}, std::move(handlers));
  if (transfer) {
    followed.transfer = *std::move(transfer);
    return;
  }
  followed.reflector.TakeTrouble(transfer.error().message);
  AskAfter(collection, followed.reflector.WaitAfter({}, {}, Chance()));
}

void Kubernetes::State::AskAfter(const Collection& collection, std::chrono::milliseconds wait) {
  Note(collection);
  Following& followed = *following.at(collection);
  followed.timer.expires_after(wait);
  followed.timer.async_wait([self = weak_from_this(), collection](boost::system::error_code error) {
    const std::shared_ptr<State> state = self.lock();
    if (!error && state != nullptr) {
      state->Ask(collection);
    }
  });
}

bool Kubernetes::State::TakePiece(Following& followed, std::string_view piece) {
  if (followed.status != 200) {
    followed.rest += piece.substr(0, kRefusalBytes - std::min(kRefusalBytes, followed.rest.size()));
    return followed.rest.size() < kRefusalBytes;
  }
  const bool lines = followed.question.watch;
  followed.rest += piece;
  const std::size_t most = lines ? options.max_event_bytes : options.max_page_bytes;
  const bool good = !lines || TakeLines(followed);
  if (good && followed.rest.size() > most) {
    followed.reflector.TakeTrouble("the server sent more than " + std::to_string(most) +
                                   " bytes at once");
    followed.rest.clear();
    followed.status = 0;
    return false;
  }
  return good;
}

bool Kubernetes::State::TakeLines(Following& followed) {
  std::size_t begin = 0;
  bool good = true;
  for (std::size_t end = followed.rest.find('\n'); good && end != std::string::npos;
       end = followed.rest.find('\n', begin)) {
    const std::string_view line = std::string_view(followed.rest).substr(begin, end - begin);
    begin = end + 1;
    good = line.empty() || followed.reflector.TakeLine(line, mirror);
  }
  followed.rest.erase(0, begin);
  return good;
}

void Kubernetes::State::TakeEnd(const Collection& collection, TransferEnd how) {
  Following* const entry = Find(collection);
  if (entry == nullptr) {
    return;
  }
  Following& followed = *entry;
  followed.transfer.reset();
  if (how.silent && followed.status == 200) {
    followed.reflector.TakeSilence(std::move(how.trouble));
  } else if (!how.trouble.empty()) {
    followed.reflector.TakeTrouble(std::move(how.trouble));
  } else if (followed.status == 200 && !followed.question.watch) {
    followed.reflector.TakePage(followed.rest, mirror);
  } else if (followed.status != 200 && followed.status != 0) {
    followed.reflector.TakeRefusal(followed.status, followed.rest, mirror);
  }
  followed.rest.clear();
  const auto lasted = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - followed.asked);
  AskAfter(collection, followed.reflector.WaitAfter(lasted, followed.retry_after, Chance()));
}

// A status that is another than before is worth telling.
void Kubernetes::State::Note(const Collection& collection) {
  CollectionStatus& noted = statuses[collection];
  const CollectionStatus& status = following.at(collection)->reflector.status();
  const bool news = noted.complete != status.complete || noted.absent != status.absent ||
                    noted.trouble != status.trouble || noted.lists != status.lists ||
                    mirror.changed();
  noted = status;
  if (news) {
    Tell();
  }
}

// What changes in one turn of the loop is told at once.
void Kubernetes::State::Tell() {
  if (std::exchange(telling, true)) {
    return;
  }
  boost::asio::post(loop, [self = weak_from_this()] {
    if (const std::shared_ptr<State> state = self.lock()) {
      state->telling = false;
      for (const auto& [collection, followed] : state->following) {
        state->statuses[collection] = followed->reflector.status();
      }
      state->changed();
    }
  });
}

Kubernetes::Kubernetes(std::shared_ptr<State> state) : state_(std::move(state)) {}
Kubernetes::Kubernetes(Kubernetes&& other) noexcept = default;
Kubernetes& Kubernetes::operator=(Kubernetes&& other) noexcept = default;
Kubernetes::~Kubernetes() = default;

Result<Kubernetes> Kubernetes::Start(boost::asio::io_context& loop,
                                     const KubernetesOptions& options,
                                     std::function<void()> changed) {
  return Kubernetes(std::make_shared<State>(loop, options, std::move(changed)));
}

void Kubernetes::Want(const std::set<Collection>& collections) {
  State& state = *state_;
  std::set<Collection> left_out;
  for (const auto& [collection, followed] : state.following) {
    if (!collections.contains(collection)) {
      left_out.insert(collection);
    }
  }
  for (const Collection& collection : left_out) {
    state.following.erase(collection);
    state.statuses.erase(collection);
    state.mirror.Forget(collection);
  }
  for (const Collection& collection : collections) {
    if (state.following.contains(collection)) {
      continue;
    }
    state.following.emplace(
        collection, std::make_unique<State::Following>(state.loop, collection, state.options));
    state.statuses.emplace(collection, CollectionStatus{});
    state.Ask(collection);
  }
  if (state.mirror.changed()) {
    state.Tell();
  }
}

bool Kubernetes::complete() const {
  return std::ranges::all_of(state_->following, [](const auto& entry) {
    return entry.second->reflector.status().complete;
  });
}

ClusterChange Kubernetes::Take() {
  return state_->mirror.Take();
}

bool Kubernetes::Has(const ObjectKey& key) const {
  return state_->mirror.Has(key);
}

std::vector<ObjectKey> Kubernetes::Rules() const {
  return state_->mirror.Rules();
}

const ServerObject* Kubernetes::FindRule(const ObjectKey& key) const {
  return state_->mirror.FindRule(key);
}

const std::map<ObjectKey, RefusedObject>& Kubernetes::refused() const {
  return state_->mirror.refused();
}

const std::map<Collection, CollectionStatus>& Kubernetes::status() const {
  return state_->statuses;
}

std::string ToString(const Collection& collection) {
  std::string text(InfoOf(collection.kind).plural);
  if (!collection.ns.empty()) {
    text += " in " + collection.ns;
  }
  if (!collection.field_selector.empty()) {
    text += " where " + collection.field_selector;
  }
  return text;
}

}  // namespace vsplit
