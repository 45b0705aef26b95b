// SPDX-License-Identifier: Apache-2.0
// Objects of a Kubernetes API server, as they are and as they change: list and watch over HTTP/1.1
// and JSON, one for each collection; and requests to write there. All on the caller's loop, but
// that asio looks up a server's name, where it is no address, on a thread of its own; nothing here
// blocks. While the server is away, or lists anew, nothing is said to be gone. Protocol: Kubernetes
// API concepts, "Efficient detection of changes" and "Streaming lists".
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <compare>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vsplit/document_text.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// ---- how to reach it ---------------------------------------------------------------------------

struct ApiServer {
  bool tls = true;
  std::string host;  // name or address, without brackets
  std::string port;
  std::string ca;           // PEM; empty: the system's
  std::string server_name;  // in its certificate; empty: `host`
  std::string token;        // empty: none, or `token_file`
  std::string token_file;   // read again for every request, since the kubelet renews it
  std::string certificate;  // the client's, PEM; empty: none
  std::string key;          // to it, PEM

  bool operator==(const ApiServer&) const = default;
};

// In a pod: KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the service account's files, which
// have to be there. `folder` is theirs.
Result<ApiServer> InClusterServer(
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// The namespace of the pod that this runs in: POD_NAMESPACE, as the downward API sets it, else the
// service account's file; empty: it is no pod.
std::string PodNamespace(
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// The current context of a kubeconfig file. What it says that is not supported (exec,
// auth-provider, proxy-url, a user name, insecure-skip-tls-verify) is refused by name.
Result<ApiServer> KubeconfigServer(const std::string& path);

// ---- what to watch, and what comes of it -------------------------------------------------------

struct Collection {
  Kind kind{};
  std::string ns;              // empty: of all namespaces
  std::string field_selector;  // "spec.nodeName=n1"; empty: none

  auto operator<=>(const Collection&) const = default;
};

std::string ToString(const Collection& collection);  // "pods in default where spec.nodeName=n1"

struct KubernetesOptions {
  ApiServer server;
  std::string user_agent = "vsplitd";
  // Of a watch, which then begins anew from where it was; a random time in between, so that agents
  // do not all come back at once.
  std::chrono::seconds min_watch{300};
  std::chrono::seconds max_watch{600};
  // Without a byte for so long the peer is taken for dead, and asked anew. Bookmarks come each
  // minute once the server has seen an event.
  std::chrono::milliseconds silence{180'000};
  std::chrono::milliseconds connect{10'000};  // TLS included
  // After a failure; doubled with each further one in a row.
  std::chrono::milliseconds min_retry{1'000};
  std::chrono::milliseconds max_retry{30'000};
  std::size_t page = 500;                  // objects of a list in one answer
  std::size_t max_event_bytes = 8u << 20;  // etcd holds 1.5 MiB in one object
  std::size_t max_page_bytes = 512u << 20;
};

// What the server says of an object beside what vsplit reads.
struct ServerObject {
  std::string resource_version;
  Version version;      // but for the resource_version
  DocumentText status;  // of a rule, that is a VirtualService or DestinationRule; empty: none

  bool operator==(const ServerObject&) const = default;
};

// An object that the server has and that vsplit does not take: what was taken of it before stays.
struct RefusedObject {
  ServerObject server;
  Diagnostics diagnostics;
};

// Each object once.
struct ClusterChange {
  // New, or others than before; trimmed to what vsplit reads, and rules without their status. Their
  // version is what the server gave them, but for the resourceVersion, which is 0.
  std::vector<Object> objects;
  std::vector<ObjectKey> gone;
  // Rules, and what is refused, of which the server has said something, be it their status alone.
  std::vector<ObjectKey> heard;
};

struct CollectionStatus {
  bool complete = false;    // listed at least once
  bool absent = false;      // the server knows no such kind: its definitions are not installed
  std::string trouble;      // why it is not followed at the moment; empty: it is
  unsigned failures = 0;    // in a row
  std::size_t lists = 0;    // that were complete
  std::size_t expired = 0;  // how often the server had forgotten what changed since the last event
};

class Kubernetes {
 public:
  // `changed` is called from the loop when Take or status() may say something new, never from
  // within a call to this object.
  static Result<Kubernetes> Start(boost::asio::io_context& loop, const KubernetesOptions& options,
                                  std::function<void()> changed);

  Kubernetes(Kubernetes&& other) noexcept;
  Kubernetes& operator=(Kubernetes&& other) noexcept;
  Kubernetes(const Kubernetes&) = delete;
  Kubernetes& operator=(const Kubernetes&) = delete;
  ~Kubernetes();  // what is under way is given up

  // The collections to be followed from now on. What only those left out have is gone.
  void Want(const std::set<Collection>& collections);

  // Every collection wanted was listed at least once.
  bool complete() const;
  // What has changed since the last call.
  ClusterChange Take();
  // Whether the server had it when it was last heard of.
  bool Has(const ObjectKey& key) const;

  std::vector<ObjectKey> Rules() const;  // refused ones, too
  // The rule as the server has it; null: it has none.
  const ServerObject* FindRule(const ObjectKey& key) const;
  const std::map<ObjectKey, RefusedObject>& refused() const;
  const std::map<Collection, CollectionStatus>& status() const;

 private:
  struct State;
  explicit Kubernetes(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// ---- to write there ----------------------------------------------------------------------------

struct ApiRequest {
  std::string method = "GET";
  std::string target;        // path and query
  std::string content_type;  // empty: there is no body
  std::string body;

  bool operator==(const ApiRequest&) const = default;
};

struct ApiAnswer {
  unsigned status = 0;  // of HTTP; 0: there was no answer
  std::string body;
  std::chrono::milliseconds retry_after{};  // what the server asks for
  std::string trouble;                      // why there was none

  // What is wrong, for people; empty: nothing is.
  std::string Trouble() const;
};

// One request after the other over one connection, which is made anew when the server has closed
// it. A request may reach the server twice then: what is sent has to bear that.
class ApiClient {
 public:
  // options.connect and options.silence bound each step, and `silence` the whole answer.
  ApiClient(boost::asio::io_context& loop, KubernetesOptions options);
  ApiClient(ApiClient&& other) noexcept;
  ApiClient& operator=(ApiClient&& other) noexcept;
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;
  ~ApiClient();  // what is under way is given up, and nobody called

  // Only when none is under way. `done` is called from the loop, never from within.
  void Send(ApiRequest request, std::function<void(ApiAnswer)> done);
  bool busy() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace vsplit
