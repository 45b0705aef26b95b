// SPDX-License-Identifier: Apache-2.0
// What to ask the server about one collection, and what its answers mean: a streamed list that goes
// on as a watch; from a server that does not stream lists, pages, and then a watch. Pure: time and
// chance are given.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "item.h"
#include "mirror.h"
#include "vsplit/kubernetes.h"

namespace vsplit::kubernetes {

struct Question {
  std::string target;  // path and query
  bool watch = false;  // one event a line, and no end; else one document
};

class Reflector {
 public:
  Reflector(Collection collection, const KubernetesOptions& options)
      : collection_(std::move(collection)), options_(options) {}

  // What to ask now. `chance`, in [0, 1), chooses how long a watch is to last.
  Question Next(double chance);

  // The answer begins, and is 200.
  void TakeStart();
  // One line of a watch. False: the rest of the answer is of no use, ask anew.
  bool TakeLine(std::string_view line, Mirror& mirror);
  // The document of a list.
  void TakePage(std::string_view body, Mirror& mirror);
  // An answer that is not 200, with as much of its body as was read.
  void TakeRefusal(unsigned status, std::string_view body, Mirror& mirror);
  // There was no answer, or it broke off.
  void TakeTrouble(std::string what);
  // The answer had begun, and then nothing came for so long that the peer may be dead.
  void TakeSilence(std::string what);

  // The answer is over, `lasted` after the question: how long to wait before the next one.
  // `retry_after` is what the server asks for.
  std::chrono::milliseconds WaitAfter(std::chrono::milliseconds lasted,
                                      std::chrono::milliseconds retry_after, double chance);

  const CollectionStatus& status() const { return status_; }

 private:
  enum class Mode { kStream, kPages, kWatch };

  void TakeError(unsigned code, std::string message);
  void Complete(std::string resource_version, Mirror& mirror);
  void ListAnew();

  Collection collection_;
  KubernetesOptions options_;
  Mode mode_ = Mode::kStream;
  bool streams_lists_ = true;  // as far as is known
  std::string resource_version_;
  std::string page_;            // token of the next page
  std::vector<Item> listed_;    // of a list that is not complete
  Mode asked_ = Mode::kStream;  // by the present question
  bool failed_ = false;         // its answer
  bool gone_ = false;           // it said that the version asked for is gone
  bool anew_ = false;           // the list begins anew after it
  unsigned not_found_ = 0;      // in a row
  CollectionStatus status_;
};

// The path of the collection: "/apis/networking.istio.io/v1/virtualservices".
std::string PathOf(const Collection& collection);

}  // namespace vsplit::kubernetes
