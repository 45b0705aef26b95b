// SPDX-License-Identifier: Apache-2.0
#include "lease.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/report.h"
#include "vsplit/retry.h"
#include "vsplit/text.h"

namespace vsplit::report {
namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kCreated = 201;
constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kConflict = 409;
// Those who wait do not all ask at once; client-go's JitterFactor.
constexpr double kJitter = 1.2;
constexpr std::chrono::milliseconds kLongest{30'000};
constexpr std::chrono::milliseconds kForbiddenWait{60'000};

std::string PathOf(const LeaseOptions& options) {
  return "/apis/coordination.k8s.io/v1/namespaces/" + UrlEncode(options.ns) + "/leases";
}

}  // namespace

std::string Lease::holder() const {
  return TextAt(record_, "/spec/holderIdentity");
}

Time Lease::Until() const {
  return renewed_ ? *renewed_ + options_.deadline : Time::min();
}

// By the clock here, since when the record was seen to be another.
bool Lease::IsFree(Time now) const {
  return holder().empty() || Mine() ||
         observed_ + std::chrono::seconds(IntegerAt(record_, "/spec/leaseDurationSeconds")) <= now;
}

ApiRequest Lease::Next(Time now, const std::string& wall) {
  asked_at_ = now;
  const bool write = know_ && (Mine() || (read_ && may_write_));
  read_ = false;
  if (!write) {
    asked_ = Asked::kGet;
    return {.target = PathOf(options_) + "/" + UrlEncode(options_.name)};
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.duration).count();
  if (record_.is_null()) {
    return Write(Asked::kCreate,
                 {{"apiVersion", "coordination.k8s.io/v1"},
                  {"kind", "Lease"},
                  {"metadata", {{"name", options_.name}, {"namespace", options_.ns}}},
                  {"spec",
                   {{"holderIdentity", options_.identity},
                    {"leaseDurationSeconds", seconds},
                    {"acquireTime", wall},
                    {"renewTime", wall},
                    {"leaseTransitions", 0}}}});
  }
  Json record = record_;
  Json& spec = record["spec"];
  if (!Mine()) {
    spec["holderIdentity"] = options_.identity;
    spec["acquireTime"] = wall;
    spec["leaseTransitions"] = IntegerAt(record_, "/spec/leaseTransitions") + 1;
  }
  spec["leaseDurationSeconds"] = seconds;
  spec["renewTime"] = wall;
  return Write(Asked::kReplace, std::move(record));
}

ApiRequest Lease::Write(Asked how, Json record) {
  asked_ = how;
  const bool create = how == Asked::kCreate;
  return {.method = create ? "POST" : "PUT",
          .target = PathOf(options_) + (create ? "" : "/" + UrlEncode(options_.name)),
          .content_type = "application/json",
          .body = record.dump()};
}

void Lease::Adopt(Json record, Time now) {
  if (record_.is_null() || ItemsAt(record_, "/spec") != ItemsAt(record, "/spec")) {
    observed_ = now;
  }
  record_ = std::move(record);
  know_ = true;
  failures_ = 0;
  forbidden_ = false;
  trouble_.clear();
  if (!Mine()) {
    renewed_.reset();
  }
}

void Lease::Take(const ApiAnswer& answer, Time now) {
  if (answer.status == kOk || answer.status == kCreated) {
    Json record = Json::parse(answer.body, nullptr, false);
    if (!record.is_object() || TextAt(record, "/metadata/resourceVersion").empty()) {
      return TakeTrouble({.trouble = "the server sent no Lease"}, now);
    }
    Adopt(std::move(record), now);
    if (asked_ == Asked::kGet) {
      read_ = true;
      may_write_ = IsFree(now);
    } else {
      renewed_ = asked_at_;
    }
    return;
  }
  if (answer.status == kNotFound && asked_ == Asked::kGet) {
    Adopt(Json(), now);
    read_ = may_write_ = true;
    return;
  }
  if (answer.status == kConflict) {
    know_ = false;  // another one was faster: to be read before the next write
    failures_ = 0;
    return;
  }
  TakeTrouble(answer, now);
}

void Lease::TakeTrouble(const ApiAnswer& answer, Time now) {
  know_ = false;
  if (!Holds(now)) {
    renewed_.reset();
  }
  ++failures_;
  forbidden_ = answer.status == kForbidden;
  trouble_ = answer.Trouble();
}

std::chrono::milliseconds Lease::Wait(double chance) const {
  if (know_ && read_ && may_write_) {
    return std::chrono::milliseconds(0);
  }
  if (renewed_) {
    return options_.retry;  // to renew it; also while that fails
  }
  if (forbidden_) {
    return RetryAfter(kForbiddenWait, kForbiddenWait * 5, failures_, chance);
  }
  if (failures_ > 0) {
    return RetryAfter(options_.retry, std::max(options_.retry, kLongest), failures_, chance);
  }
  return options_.retry + std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(
                              chance * kJitter * static_cast<double>(options_.retry.count())));
}

std::optional<ApiRequest> Lease::Release(Time now, const std::string& wall) {
  if (!Holds(now) || !Mine()) {
    return std::nullopt;
  }
  renewed_.reset();
  Json record = record_;
  Json& spec = record["spec"];
  spec.erase("holderIdentity");
  spec["leaseDurationSeconds"] = 1;
  spec["acquireTime"] = wall;
  spec["renewTime"] = wall;
  asked_at_ = now;
  return Write(Asked::kReplace, std::move(record));
}

}  // namespace vsplit::report
