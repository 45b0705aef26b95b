// SPDX-License-Identifier: Apache-2.0
// HTTP requests in, typed calls out, and their results back as HTTP. The paths are the Kubernetes
// API's for every kind of objects.h, plus vsplit.io/v1 for transactions and views, plus health and
// metrics (userspace/api/README.md lists them). Nothing here knows what an object means.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

// ---- what the api asks of the program it is part of --------------------------------------------

// What became of one rule that a transaction touched.
struct AppliedRule {
  std::string verdict;               // "enforced", "approximated", "not enforced"
  std::string object;                // "VirtualService default/fleetman"
  std::string path;                  // "spec.http[0]"
  std::string host;                  // fully qualified
  std::uint16_t port = 0;            // 0: all of the host's ports
  std::string reason;                // empty when it is enforced as written
  std::vector<std::string> sources;  // "default/web-1", whom it is about; empty: everyone else
};

// One transaction that is in force, or would be.
struct Applied {
  std::uint64_t generation = 0;  // in force after it
  std::vector<Change> changes;   // each object once, in the order of the writes
  std::vector<AppliedRule> rules;
  std::string difference;  // of a dry run: the lines of the table image that change
  std::chrono::nanoseconds resolve{}, disk{}, kernel{};
};

struct Explanation {
  std::string json;
  std::string text;
};

// What a user shows to the listener for kubectl, for as long as it holds.
struct AccessToken {
  std::string token;
  std::string expires;  // RFC 3339
};

// Every function is called on the loop's thread and has to be there.
struct Backend {
  std::string version;           // of the agent
  const Store* store = nullptr;  // for reading; outlives the server
  // `user`: who asks for it. The objects of `writes` are taken; where it fails they are what they
  // were.
  std::function<Result<Applied>(std::vector<Write>& writes, bool dry_run, const std::string& user)>
      write;
  std::string read_only;  // why only dry runs are written; empty: they are not alone
  // `changed` is called after each transaction that came into force.
  std::function<void(std::function<void()> changed)> on_change;
  std::function<std::string()> image;                   // text
  std::function<std::string()> status;                  // JSON
  std::function<std::string()> split;                   // JSON
  std::function<std::string()> analyze;                 // JSON
  std::function<std::string()> metrics;                 // Prometheus text
  std::function<std::vector<std::string>()> not_ready;  // reasons; none: ready
  // What the agent says in an object's `status`, as JSON; empty: nothing.
  std::function<std::string(const Object& object)> object_status;
  std::function<std::string()> now;                  // RFC 3339, UTC, whole seconds
  std::function<Result<std::string>()> name_suffix;  // five random letters and digits
  std::function<Result<Explanation>(const std::string& from, const std::string& to)> explain;
  // Of the listener for kubectl, set by the server: kNotFound if there is none. A kubeconfig
  // without credentials, as JSON.
  std::function<Result<AccessToken>(const std::string& user)> issue_token;
  std::function<Result<std::string>()> kubeconfig;
};

// ---- requests and answers as values ------------------------------------------------------------

struct Request {
  std::string method;  // "GET"
  std::string target;  // "/api/v1/namespaces/default/services?dryRun=All"
  std::string content_type;
  std::string accept;
  std::string body;
  std::string user_agent;     // "kubectl/v1.32.4 (linux/amd64) kubernetes/1234567"
  std::string if_none_match;  // an entity tag with its quotes
  std::string user;           // who asks: a name of this machine, or "system:kubeconfig"
  bool local = false;         // over the Unix socket, of whose clients the kernel says who they are
};

// An answer that goes on, piece by piece.
class Stream {
 public:
  using Clock = std::chrono::steady_clock;

  Stream() = default;
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What is to be sent at this time; empty: nothing until objects change or it is due.
  virtual std::string Take(Clock::time_point now) = 0;
  virtual bool ended() const = 0;             // nothing comes behind what was taken
  virtual Clock::time_point due() const = 0;  // when there is something without a change
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;                  // for 405: the methods that are allowed
  std::vector<std::string> warnings;  // one `Warning` header each, as the Kubernetes API sends them
  // Further ones by name; the last word on one that is sent anyway, as Cache-Control.
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<Stream> stream;  // what is sent instead of the body, unless it is null
};

// Always an answer; trouble is a Kubernetes Status object.
Response Answer(const Request& request, const Backend& backend);

// ---- the server --------------------------------------------------------------------------------

struct ServerOptions {
  std::string socket = "/run/vsplit/vsplit.sock";
  std::string group = "vsplit";  // the socket's; root where there is no such group
  // A client beyond these is answered 431, 413 and 503.
  std::size_t header_bytes = 16u << 10;
  std::size_t body_bytes = 64u << 20;
  std::size_t connections = 128;
  std::size_t watches = 64;  // of the connections; beyond, 429
  // A connection is closed when no request begins for `idle`, or one that has begun (or its answer)
  // takes longer than `request`.
  std::chrono::milliseconds idle{60'000};
  std::chrono::milliseconds request{30'000};
  // The handshake of TLS, and the first request after it: nobody knows yet who the client is.
  std::chrono::milliseconds handshake{10'000};
};

// Where kubectl finds the same API: HTTP/1.1 over TLS, for who shows the token of the kubeconfig,
// which is a new one each time, or one that was issued to a client of the Unix socket.
struct KubeOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 17643;                         // 0: any that is free
  std::string identity = "/var/lib/vsplit/kube.pem";  // key and certificate; made where missing
  std::string kubeconfig = "/run/vsplit/kubeconfig";  // written; 0640, the group of ServerOptions
  std::chrono::seconds token_lifetime{600};           // of those that are issued
  std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
};

// Where whoever reaches it reads metrics and health, over plain HTTP.
struct MetricsOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
};

// Serves HTTP/1.1 on a Unix socket of mode 0660, on the loop's thread, until it is destroyed, which
// closes all connections and removes the socket's file.
class Server {
 public:
  // Takes over a socket file that nobody listens on, and refuses any other file that is there.
  static Result<Server> Listen(boost::asio::io_context& loop, const ServerOptions& options,
                               Backend backend);

  // Serves kubectl as well, until the server is destroyed, which removes the kubeconfig. Returns
  // the URL. On an error there is no kubeconfig, and the Unix socket is served on.
  Result<std::string> ListenForKubectl(const KubeOptions& options);

  // Serves GET of /metrics, /healthz, /livez and /readyz as well, and nothing else, until the
  // server is destroyed. Returns the URL.
  Result<std::string> ListenForMetrics(const MetricsOptions& options);

  Server(Server&& other) noexcept;
  Server& operator=(Server&& other) noexcept;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

 private:
  struct State;
  static std::shared_ptr<const Backend> WithAccess(Backend backend, std::weak_ptr<State> state);
  explicit Server(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace vsplit
