// SPDX-License-Identifier: Apache-2.0
// The server on a real socket, against clients that behave and clients that do not.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "api_backend.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::string_view kHealth = "GET /healthz HTTP/1.1\r\nHost: vsplit\r\n\r\n";

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "vsplit-api-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string Socket() const { return path_ + "/s"; }

 private:
  std::string path_;
};

class Client {
 public:
  explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  // Of this machine's loopback.
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr = {htonl(INADDR_LOOPBACK)},
                        .sin_zero = {}};
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;  // the server has closed; what it said can still be read
      }
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Reads nothing meanwhile; at most half a minute.
  void AwaitClosed() const {
    pollfd closed{.fd = fd_, .events = 0, .revents = 0};
    EXPECT_EQ(::poll(&closed, 1, 30'000), 1);
  }
  // Until the server closes.
  std::string ReadAll() {
    return ReadWhile([](const std::string&) { return true; });
  }
  // One answer with a body that ends so.
  std::string ReadUntil(std::string_view end) {
    return ReadWhile([end](const std::string& text) { return !text.ends_with(end); });
  }

 private:
  template <class Predicate>
  std::string ReadWhile(Predicate more) {
    std::string text;
    char piece[4096];
    while (more(text)) {
      const ssize_t got = ::read(fd_, piece, sizeof(piece));
      if (got <= 0) {
        break;
      }
      text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
  }

  int fd_;
};

// The server, its loop on a thread of its own, until the end of the test.
class Running {
 public:
  explicit Running(const ServerOptions& options) {
    Result<Server> server = Server::Listen(loop_, options, backend_.Make());
    EXPECT_TRUE(server) << server.error().message;
    server_.emplace(*std::move(server));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Running() {
    boost::asio::post(loop_, [this] { server_.reset(); });
    thread_.join();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  Result<std::string> ListenForMetrics(const MetricsOptions& options) {
    std::promise<Result<std::string>> url;
    boost::asio::post(loop_, [&] { url.set_value(server_->ListenForMetrics(options)); });
    return url.get_future().get();
  }

 private:
  StoreBackend backend_;
  boost::asio::io_context loop_{1};
  std::optional<Server> server_;
  std::thread thread_;
};

std::uint16_t PortOf(const Result<std::string>& url) {
  EXPECT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->substr(0, 17), "http://127.0.0.1:");
  return static_cast<std::uint16_t>(std::stoul(url->substr(17)));
}

TEST(Server, MetricsPortServesHealthAndMetricsAndNothingElse) {
  const Folder folder;
  Running server({.socket = folder.Socket(), .connections = 2});
  const std::uint16_t port = PortOf(server.ListenForMetrics({}));
  const auto ask = [port](const std::string& request) {
    Client client(port);
    client.Send(request + " HTTP/1.1\r\nConnection: close\r\n\r\n");
    return client.ReadAll();
  };
  EXPECT_TRUE(ask("GET /metrics?x=1").ends_with("\r\n\r\nvsplit_generation 1\n"));
  for (const std::string path : {"/healthz", "/livez", "/readyz"}) {
    EXPECT_TRUE(ask("GET " + path).ends_with("\r\n\r\nok")) << path;
  }
  for (const std::string path :
       {"/", "/apis", "/api/v1/services", "/metrics/", "//metrics", "/openapi/v3",
        "/apis/vsplit.io/v1/status", "/apis/vsplit.io/v1/kubeconfig", "/metrics%2f", "*"}) {
    EXPECT_EQ(FirstLine(ask("GET " + path)), "HTTP/1.1 404 Not Found") << path;
  }
  EXPECT_EQ(FirstLine(ask("POST /apis/vsplit.io/v1/token")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(FirstLine(ask("DELETE /metrics")), "HTTP/1.1 405 Method Not Allowed");
  Client body(port);
  body.Send("GET /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(FirstLine(body.ReadAll()), "HTTP/1.1 413 Payload Too Large");
  const Client one(port);
  const Client two(port);
  Client three(port);
  EXPECT_EQ(FirstLine(three.ReadAll()), "HTTP/1.1 503 Service Unavailable");
}

TEST(Server, MetricsPortThatCannotBeHasAReason) {
  const Folder folder;
  Running server({.socket = folder.Socket()});
  const Result<std::string> nowhere = server.ListenForMetrics({.address = "here"});
  EXPECT_EQ(nowhere.error(), (Error{"\"here\" is no IP address", Error::Reason::kInvalid}));
  const std::uint16_t port = PortOf(server.ListenForMetrics({}));
  Running other({.socket = folder.Socket() + "2"});
  EXPECT_EQ(other.ListenForMetrics({.port = port}).error().message,
            "listen on 127.0.0.1 port " + std::to_string(port) + ": Address already in use");
}

TEST(Server, AnswersSeveralRequestsOnOneConnection) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  Client client(folder.Socket());
  for (int i = 0; i < 3; ++i) {
    client.Send(kHealth);
    EXPECT_EQ(client.ReadUntil("ok"),
              "HTTP/1.1 200 OK\r\nServer: vsplitd\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Cache-Control: no-cache, private\r\nContent-Length: 2\r\n\r\nok");
  }
  client.Send(std::string(kHealth) + std::string(kHealth));
  EXPECT_EQ(client.ReadUntil("ok").substr(0, 15), "HTTP/1.1 200 OK");
}

TEST(Server, ClosesWhenTheClientAsksForIt) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  Client client(folder.Socket());
  client.Send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadAll().ends_with("\r\n\r\nok"));
  Client old(folder.Socket());
  old.Send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(FirstLine(old.ReadAll()), "HTTP/1.0 200 OK");
}

TEST(Server, AnswersMalformedRequestsOnceAndCloses) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  for (const std::string_view text :
       {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"}) {
    Client client(folder.Socket());
    client.Send(text);
    const std::string answer = client.ReadAll();
    EXPECT_EQ(FirstLine(answer), "HTTP/1.1 400 Bad Request") << text;
    EXPECT_NE(answer.find(R"("message":"malformed HTTP request: )"), std::string::npos) << answer;
  }
}

TEST(Server, RefusesWhatIsTooLarge) {
  const Folder folder;
  const Running server({.socket = folder.Socket(), .header_bytes = 512, .body_bytes = 1000});
  Client header(folder.Socket());
  header.Send("GET / HTTP/1.1\r\nX: " + std::string(600, 'x') + "\r\n\r\n");
  EXPECT_EQ(FirstLine(header.ReadAll()), "HTTP/1.1 431 Request Header Fields Too Large");
  Client declared(folder.Socket());
  declared.Send("POST /apis/vsplit.io/v1/apply HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" +
                std::string(1'000'000, 'x'));
  const std::string answer = declared.ReadAll();
  EXPECT_EQ(FirstLine(answer), "HTTP/1.1 413 Payload Too Large");
  EXPECT_NE(answer.find("the body is larger than 1000 bytes"), std::string::npos) << answer;
  Client chunked(folder.Socket());
  chunked.Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
               std::string(1001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(FirstLine(chunked.ReadAll()), "HTTP/1.1 413 Payload Too Large");
}

TEST(Server, TellsAClientThatWaitsToGoOn) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  Client client(folder.Socket());
  client.Send("POST /healthz HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("{}");
  EXPECT_EQ(FirstLine(client.ReadUntil("}\n")), "HTTP/1.1 405 Method Not Allowed");
}

TEST(Server, SendsWarningsAsHeaders) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  const std::string rule =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\n"
      "spec: {hosts: [a], http: [{timeout: 1s, route: [{destination: {host: a}}]}]}\n";
  Client client(folder.Socket());
  client.Send(
      "POST /apis/networking.istio.io/v1/namespaces/default/virtualservices HTTP/1.1\r\n"
      "Content-Length: " +
      std::to_string(rule.size()) + "\r\n\r\n" + rule);
  const std::string answer = client.ReadUntil("}\n");
  EXPECT_EQ(FirstLine(answer), "HTTP/1.1 201 Created");
  EXPECT_NE(answer.find("\r\nWarning: 299 - \"spec.http[0].timeout: needs the request, not "
                        "enforced\"\r\n"),
            std::string::npos)
      << answer;
}

constexpr std::string_view kWatch = "GET /api/v1/services?watch=true HTTP/1.1\r\n\r\n";

// A Service made over a connection of its own.
void MakeService(const std::string& path, const std::string& name, const std::string& note = "") {
  const std::string service = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name +
                              R"(","annotations":{"note":")" + note +
                              R"("}},"spec":{"ports":[{"port":80}]}})";
  Client client(path);
  client.Send("POST /api/v1/namespaces/default/services HTTP/1.1\r\nContent-Length: " +
              std::to_string(service.size()) + "\r\n\r\n" + service);
  EXPECT_EQ(FirstLine(client.ReadUntil("}\n")), "HTTP/1.1 201 Created");
}

TEST(Server, SendsEventsWhenTheyHappen) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  Client watching(folder.Socket());
  watching.Send(kWatch);
  const std::string header = watching.ReadUntil("\r\n\r\n");
  EXPECT_EQ(FirstLine(header), "HTTP/1.1 200 OK");
  EXPECT_NE(header.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos) << header;
  for (const char* name : {"a", "b"}) {
    MakeService(folder.Socket(), name);
    const std::string event = watching.ReadUntil("}\n\r\n");
    EXPECT_NE(event.find(R"({"type":"ADDED","object":{)"), std::string::npos) << event;
    EXPECT_NE(event.find(std::string(R"("name":")") + name + '"'), std::string::npos) << event;
  }
}

TEST(Server, EndsAWatchWhenItsTimeIsOver) {
  const Folder folder;
  const Running server({.socket = folder.Socket()});
  Client watching(folder.Socket());
  watching.Send("GET /api/v1/services?watch=true&timeoutSeconds=1 HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(watching.ReadAll().ends_with("\r\n\r\n0\r\n\r\n"));
}

TEST(Server, WatchesBeyondTheLimitAreToldToComeLater) {
  const Folder folder;
  const Running server({.socket = folder.Socket(), .watches = 1});
  auto first = std::make_unique<Client>(folder.Socket());
  first->Send(kWatch);
  first->ReadUntil("\r\n\r\n");
  Client second(folder.Socket());
  second.Send(kWatch);
  const std::string answer = second.ReadUntil("}\n");
  EXPECT_EQ(FirstLine(answer), "HTTP/1.1 429 Too Many Requests");
  EXPECT_NE(answer.find("\r\nRetry-After: 5\r\n"), std::string::npos) << answer;
  // Who leaves makes room, although nothing happens.
  first.reset();
  std::string line;
  while (line != "HTTP/1.1 200 OK") {
    Client third(folder.Socket());
    third.Send(kWatch);
    line = FirstLine(third.ReadUntil("\r\n\r\n"));
    ASSERT_TRUE(line == "HTTP/1.1 200 OK" || line == "HTTP/1.1 429 Too Many Requests") << line;
  }
}

TEST(Server, CutsOffAWatchThatIsNotRead) {
  const Folder folder;
  const Running server({.socket = folder.Socket(), .request = std::chrono::milliseconds(100)});
  for (int i = 0; i < 20; ++i) {
    MakeService(folder.Socket(), "s" + std::to_string(i), std::string(100'000, 'x'));
  }
  Client watching(folder.Socket());
  watching.Send(kWatch);
  // Far more than what a socket holds comes while nobody reads.
  watching.AwaitClosed();
  const std::string got = watching.ReadAll();
  EXPECT_LT(got.size(), 1'500'000U);
}

TEST(Server, StoppingEndsWatches) {
  const Folder folder;
  std::optional<Client> watching;
  {
    const Running server({.socket = folder.Socket()});
    watching.emplace(folder.Socket());
    watching->Send(kWatch);
    watching->ReadUntil("\r\n\r\n");
  }
  EXPECT_EQ(watching->ReadAll(), "");
}

TEST(Server, ClosesOnClientsThatAreTooSlow) {
  using std::chrono::milliseconds;
  const Folder folder;
  const Running server(
      {.socket = folder.Socket(), .idle = milliseconds(50), .request = milliseconds(50)});
  Client idle(folder.Socket());
  EXPECT_EQ(idle.ReadAll(), "");
  Client header(folder.Socket());
  header.Send("GET /healthz HTTP/1.1\r\nHo");
  EXPECT_EQ(header.ReadAll(), "");
  Client body(folder.Socket());
  body.Send("POST /apis/vsplit.io/v1/apply HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.ReadAll(), "");
}

TEST(Server, TurnsAwayConnectionsBeyondTheLimitAndServesAgainLater) {
  const Folder folder;
  const Running server({.socket = folder.Socket(), .connections = 1});
  auto first = std::make_unique<Client>(folder.Socket());
  first->Send(kHealth);
  EXPECT_EQ(FirstLine(first->ReadUntil("ok")), "HTTP/1.1 200 OK");
  Client second(folder.Socket());
  const std::string answer = second.ReadAll();
  EXPECT_EQ(FirstLine(answer), "HTTP/1.1 503 Service Unavailable");
  EXPECT_NE(answer.find("there are too many connections already (1)"), std::string::npos);
  first->Send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(first->ReadAll().ends_with("ok"));
  first.reset();
  std::string line;
  while (line != "HTTP/1.1 200 OK") {  // the server sees the end when its loop comes to it
    Client third(folder.Socket());
    third.Send(kHealth);
    line = FirstLine(third.ReadUntil("ok"));
    line = line.substr(0, line.find('\r'));
    ASSERT_TRUE(line == "HTTP/1.1 200 OK" || line == "HTTP/1.1 503 Service Unavailable") << line;
  }
}

TEST(Server, SocketIsForOwnerAndGroupAndGoesWithTheServer) {
  const Folder folder;
  {
    const Running server({.socket = folder.Socket()});
    struct stat status{};
    ASSERT_EQ(::stat(folder.Socket().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0660U);
  }
  EXPECT_FALSE(std::filesystem::exists(folder.Socket()));
}

TEST(Server, TakesOverAStaleSocketAndNothingElse) {
  const Folder folder;
  boost::asio::io_context loop;
  StoreBackend backend;
  {
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    folder.Socket().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::close(stale);
  }
  const Result<Server> first = Server::Listen(loop, {.socket = folder.Socket()}, backend.Make());
  ASSERT_TRUE(first) << first.error().message;
  const Result<Server> second = Server::Listen(loop, {.socket = folder.Socket()}, backend.Make());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "socket \"" + folder.Socket() + "\": another process listens there");
  const std::string file = folder.Socket() + ".txt";
  std::ofstream(file) << "mine";
  const Result<Server> third = Server::Listen(loop, {.socket = file}, backend.Make());
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().message, "socket \"" + file + "\": a file that is no socket is there");
  EXPECT_EQ(Server::Listen(loop, {.socket = std::string(200, 'x')}, backend.Make()).error().message,
            "socket \"" + std::string(200, 'x') + "\": a socket's path has 1 to 107 bytes");
}

}  // namespace
}  // namespace vsplit
