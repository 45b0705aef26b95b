// SPDX-License-Identifier: Apache-2.0
// The listener for kubectl: who it is, and whom it answers.
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/rfc2818_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "api_backend.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using Tcp = boost::asio::ip::tcp;
using Json = nlohmann::json;

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

mode_t ModeOf(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

std::string FromBase64(const std::string& text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  for (const char c : text.substr(0, text.find('='))) {
    held = held << 6U | static_cast<unsigned>(kDigits.find(c));
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> static_cast<unsigned>(bits) & 0xffU);
    }
  }
  return bytes;
}

std::string UserName() {
  const passwd* const entry = ::getpwuid(::getuid());
  return entry == nullptr ? "uid:" + std::to_string(::getuid()) : entry->pw_name;
}

class Kube : public testing::Test {
 protected:
  Kube() {
    std::string name = std::filesystem::temp_directory_path() / "vsplit-kube-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Kube() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  KubeOptions Options() const {
    return {.port = 0,
            .identity = folder_ + "/kube.pem",
            .kubeconfig = folder_ + "/kubeconfig",
            .clock = [this] { return std::chrono::steady_clock::time_point(later_.load()); }};
  }

  void Start(ServerOptions options = {}) {
    options.socket = folder_ + "/s";
    Result<Server> server = Server::Listen(loop_, options, backend_.Make());
    ASSERT_TRUE(server) << server.error().message;
    const Result<std::string> url = server->ListenForKubectl(Options());
    ASSERT_TRUE(url) << url.error().message;
    url_ = *url;
    server_.emplace(*std::move(server));
    loop_.restart();
    thread_ = std::thread([this] { loop_.run(); });
  }

  void Stop() {
    if (thread_.joinable()) {
      boost::asio::post(loop_, [this] { server_.reset(); });
      thread_.join();
    }
  }

  Json Config() const { return Json::parse(ReadFile(folder_ + "/kubeconfig")); }
  std::string Token() const { return Config()["users"][0]["user"]["token"]; }
  unsigned short Port() const {
    return static_cast<unsigned short>(std::stoi(url_.substr(url_.rfind(':') + 1)));
  }

  Tcp::endpoint Endpoint() const { return {boost::asio::ip::make_address("127.0.0.1"), Port()}; }

  // What the server sends until it closes, over a connection that trusts the kubeconfig's authority
  // alone.
  std::string Ask(const std::string& request) const {
    boost::asio::io_context loop;
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    const std::string authority =
        FromBase64(Config()["clusters"][0]["cluster"]["certificate-authority-data"]);
    context.add_certificate_authority(boost::asio::buffer(authority));
    context.set_verify_mode(boost::asio::ssl::verify_peer);
    boost::asio::ssl::stream<Tcp::socket> stream(loop, context);
    stream.set_verify_callback(boost::asio::ssl::rfc2818_verification("127.0.0.1"));
    stream.next_layer().connect(Endpoint());
    stream.handshake(boost::asio::ssl::stream_base::client);
    boost::asio::write(stream, boost::asio::buffer(request));
    std::string answer;
    boost::system::error_code ended;
    boost::asio::read(stream, boost::asio::dynamic_buffer(answer), ended);
    return answer;
  }

  std::string AskWith(const std::string& authorization, const std::string& path = "/healthz") {
    return Ask("GET " + path + " HTTP/1.1\r\nConnection: close\r\nAuthorization: " + authorization +
               "\r\n\r\n");
  }

  // What the server says over the Unix socket, until it closes.
  std::string AskLocally(const std::string& request) const {
    boost::asio::io_context loop;
    boost::asio::local::stream_protocol::socket socket(loop);
    socket.connect(boost::asio::local::stream_protocol::endpoint(folder_ + "/s"));
    boost::asio::write(socket, boost::asio::buffer(request));
    std::string answer;
    boost::system::error_code ended;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), ended);
    return answer;
  }

  static Json BodyOf(const std::string& answer) {
    return Json::parse(answer.substr(answer.find("\r\n\r\n")));
  }

  std::string folder_;
  std::string url_;
  std::atomic<std::chrono::seconds> later_{std::chrono::seconds(0)};  // on the server's clock
  StoreBackend backend_;
  boost::asio::io_context loop_{1};
  std::optional<Server> server_;
  std::thread thread_;
};

TEST_F(Kube, AnswersWhoHasTheTokenAsTheUnixSocketDoes) {
  Start();
  EXPECT_TRUE(AskWith("Bearer " + Token()).ends_with("\r\n\r\nok"));
  EXPECT_NE(AskWith("Bearer " + Token(), "/api/v1/services").find(R"("kind":"ServiceList")"),
            std::string::npos);
}

TEST_F(Kube, RefusesWhoHasNot) {
  Start();
  std::string other = Token();
  other.back() = other.back() == 'A' ? 'Q' : 'A';
  for (const std::string& authorization :
       {std::string(), std::string("Bearer "), "Bearer " + other, Token(), "Basic " + Token(),
        "Bearer " + Token() + "x", "Bearer " + Token().substr(1)}) {
    // Without Connection: close; whoever is refused is closed on.
    const std::string answer =
        Ask("GET /healthz HTTP/1.1\r\nAuthorization: " + authorization + "\r\n\r\n");
    EXPECT_EQ(FirstLine(answer), "HTTP/1.1 401 Unauthorized") << authorization;
    EXPECT_TRUE(
        answer.ends_with(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)"
                         R"("message":"Unauthorized","reason":"Unauthorized","code":401})"
                         "\n"))
        << answer;
  }
}

TEST_F(Kube, KubeconfigNamesServerNamespaceAndToken) {
  Start();
  const Json config = Config();
  EXPECT_EQ(config["clusters"][0]["cluster"]["server"], url_);
  EXPECT_EQ(url_, "https://127.0.0.1:" + std::to_string(Port()));
  EXPECT_EQ(config["contexts"][0]["context"]["namespace"], "default");
  EXPECT_EQ(config["current-context"], config["contexts"][0]["name"]);
  EXPECT_EQ(Token().size(), 43U);
  EXPECT_EQ(ModeOf(folder_ + "/kubeconfig"), 0640U);
  Stop();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/kubeconfig"));
}

TEST_F(Kube, KeyStaysAndTokenDoesNot) {
  Start();
  const std::string pem = ReadFile(folder_ + "/kube.pem");
  const std::string token = Token();
  EXPECT_EQ(ModeOf(folder_ + "/kube.pem"), 0600U);
  EXPECT_NE(pem.find("-----BEGIN PRIVATE KEY-----"), std::string::npos);
  EXPECT_EQ(ReadFile(folder_ + "/kubeconfig").find("PRIVATE"), std::string::npos);
  Stop();
  Start();
  EXPECT_EQ(ReadFile(folder_ + "/kube.pem"), pem);
  EXPECT_NE(Token(), token);
  EXPECT_EQ(FirstLine(AskWith("Bearer " + token)), "HTTP/1.1 401 Unauthorized");
}

TEST_F(Kube, BrokenKeyIsMadeAnew) {
  std::ofstream(folder_ + "/kube.pem") << "-----BEGIN CERTIFICATE-----\nx\n";
  Start();
  EXPECT_TRUE(AskWith("Bearer " + Token()).ends_with("ok"));
}

TEST_F(Kube, ClosesOnClientsThatDoNotShakeHands) {
  Start({.handshake = std::chrono::milliseconds(50)});
  for (const std::string_view text : {"", "GET /healthz HTTP/1.1\r\n\r\n"}) {
    boost::asio::io_context loop;
    Tcp::socket socket(loop);
    socket.connect(Endpoint());
    boost::asio::write(socket, boost::asio::buffer(text));
    std::string answer;
    boost::system::error_code ended;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), ended);
    EXPECT_EQ(answer.find("HTTP/1.1"), std::string::npos);
  }
}

TEST_F(Kube, TakenPortLeavesTheUnixSocketServed) {
  Start();
  boost::asio::io_context loop;
  Result<Server> second = Server::Listen(loop, {.socket = folder_ + "/t"}, backend_.Make());
  ASSERT_TRUE(second);
  KubeOptions options = Options();
  options.port = Port();
  options.kubeconfig += "2";
  const Result<std::string> url = second->ListenForKubectl(options);
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message,
            "listen on 127.0.0.1 port " + std::to_string(Port()) + ": Address already in use");
  EXPECT_FALSE(std::filesystem::exists(options.kubeconfig));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/t"));
}

constexpr const char* kIssue =
    "POST /apis/vsplit.io/v1/token HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n";

TEST_F(Kube, UsersOfTheUnixSocketGetTokensThatExpire) {
  Start();
  const std::string answer = AskLocally(std::string(kIssue) + "\r\n");
  EXPECT_EQ(FirstLine(answer), "HTTP/1.1 201 Created");
  const Json issued = BodyOf(answer);
  const std::string token = issued["token"];
  EXPECT_EQ(issued["user"], UserName());
  EXPECT_EQ(issued["expirationTimestamp"].get<std::string>().size(), 20U);
  EXPECT_NE(token, Token());
  EXPECT_TRUE(AskWith("Bearer " + token).ends_with("ok"));
  later_ = std::chrono::seconds(599);
  EXPECT_TRUE(AskWith("Bearer " + token).ends_with("ok"));
  later_ = std::chrono::seconds(600);
  EXPECT_EQ(FirstLine(AskWith("Bearer " + token)), "HTTP/1.1 401 Unauthorized");
  EXPECT_TRUE(AskWith("Bearer " + Token()).ends_with("ok"));
}

TEST_F(Kube, TokensAreNoWayToTokens) {
  Start();
  EXPECT_EQ(FirstLine(Ask(std::string(kIssue) + "Authorization: Bearer " + Token() + "\r\n\r\n")),
            "HTTP/1.1 403 Forbidden");
}

TEST_F(Kube, WhoWritesIsKnownByName) {
  Start();
  const std::string object = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})";
  const auto create = [&](const std::string& more) {
    return "POST /api/v1/namespaces?dryRun=All HTTP/1.1\r\nConnection: close\r\nContent-Length: " +
           std::to_string(object.size()) + "\r\n" + more + "\r\n" + object;
  };
  const std::string token = BodyOf(AskLocally(std::string(kIssue) + "\r\n"))["token"];
  EXPECT_EQ(FirstLine(AskLocally(create(""))), "HTTP/1.1 201 Created");
  EXPECT_EQ(backend_.writer, UserName());
  EXPECT_EQ(FirstLine(Ask(create("Authorization: Bearer " + Token() + "\r\n"))),
            "HTTP/1.1 201 Created");
  EXPECT_EQ(backend_.writer, "system:kubeconfig");
  EXPECT_EQ(FirstLine(Ask(create("Authorization: Bearer " + token + "\r\n"))),
            "HTTP/1.1 201 Created");
  EXPECT_EQ(backend_.writer, UserName());
}

TEST_F(Kube, KubeconfigWithoutCredentialsIsForEverybody) {
  Start();
  const std::string request =
      "GET /apis/vsplit.io/v1/kubeconfig HTTP/1.1\r\nConnection: close\r\n\r\n";
  Json config = Config();
  config["users"][0]["user"] = Json::object();
  EXPECT_EQ(BodyOf(AskLocally(request)), config);
}

TEST_F(Kube, WithoutItThereAreNoTokens) {
  Result<Server> alone = Server::Listen(loop_, {.socket = folder_ + "/s"}, backend_.Make());
  ASSERT_TRUE(alone);
  server_.emplace(*std::move(alone));
  thread_ = std::thread([this] { loop_.run(); });
  EXPECT_EQ(FirstLine(AskLocally(std::string(kIssue) + "\r\n")), "HTTP/1.1 404 Not Found");
}

TEST_F(Kube, AddressHasToBeOne) {
  boost::asio::io_context loop;
  Result<Server> server = Server::Listen(loop, {.socket = folder_ + "/s"}, backend_.Make());
  ASSERT_TRUE(server);
  KubeOptions options = Options();
  options.address = "localhost";
  const Result<std::string> url = server->ListenForKubectl(options);
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message, "\"localhost\" is no IP address");
}

}  // namespace
}  // namespace vsplit
