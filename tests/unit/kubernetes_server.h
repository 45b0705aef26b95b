// SPDX-License-Identifier: Apache-2.0
// An API server for the tests: plain HTTP on loopback, on the loop of the test, which says what is
// answered and sends the lines of watches itself.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vsplit {

struct KubernetesAnswer {
  unsigned status = 200;
  std::string body;
  bool watch = false;   // stays open, `body` are its first lines
  std::string headers;  // more of them, each with its line end
};

// One line of a watch.
inline std::string EventLine(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

// How far a watch has come; with `initial_end`, that the list before it is whole.
inline std::string Bookmark(int version, bool initial_end) {
  return EventLine(
      "BOOKMARK",
      R"({"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":")" +
          std::to_string(version) + '"' +
          (initial_end ? R"(,"annotations":{"k8s.io/initial-events-end":"true"})" : "") + "}}");
}

class KubernetesServer {
 public:
  struct Client {
    explicit Client(boost::asio::ip::tcp::socket the_socket) : socket(std::move(the_socket)) {}
    boost::asio::ip::tcp::socket socket;
    boost::beast::flat_buffer buffer;
    boost::beast::http::request<boost::beast::http::string_body> request;
    std::string target;
  };

  using Answerer = std::function<KubernetesAnswer(const Client& client)>;

  KubernetesServer(boost::asio::io_context& loop, Answerer answer)
      : answer_(std::move(answer)), acceptor_(loop, {boost::asio::ip::address_v4::loopback(), 0}) {
    Accept();
  }

  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }

  // To the newest watch whose target contains `what`; false: there is none.
  bool Send(const std::string& what, const std::string& text) {
    for (auto watch = watches_.rbegin(); watch != watches_.rend(); ++watch) {
      if ((*watch)->target.find(what) != std::string::npos) {
        boost::system::error_code error;
        boost::asio::write((*watch)->socket, boost::asio::buffer(Chunk(text)), error);
        return !error;
      }
    }
    return false;
  }

  // Ends all watches, in an orderly way or by a reset.
  void EndWatches(bool orderly) {
    for (const auto& watch : watches_) {
      boost::system::error_code ignored;
      if (orderly) {
        boost::asio::write(watch->socket, boost::asio::buffer(std::string("0\r\n\r\n")), ignored);
      } else {
        watch->socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
      }
      watch->socket.close(ignored);
    }
    watches_.clear();
  }

  std::vector<std::string> asked;           // targets, in order
  std::vector<std::string> authorizations;  // of the same requests
  int connections = 0;                      // so far
  bool close_idle = false;  // connections are closed after an answer, without a word before

 private:
  static std::string Chunk(const std::string& text) {
    char size[20];
    std::snprintf(size, sizeof(size), "%zx\r\n", text.size());
    return text.empty() ? "" : size + text + "\r\n";
  }

  void Accept() {
    acceptor_.async_accept(
        [this](boost::system::error_code error, boost::asio::ip::tcp::socket socket) {
          if (error) {
            return;
          }
          ++connections;
          Read(std::make_shared<Client>(std::move(socket)));
          Accept();
        });
  }

  void Read(const std::shared_ptr<Client>& client) {
    boost::beast::http::async_read(client->socket, client->buffer, client->request,
                                   [this, client](boost::system::error_code error, std::size_t) {
                                     if (!error) {
                                       Answer(client);
                                     }
                                   });
  }

  void Answer(const std::shared_ptr<Client>& client) {
    client->target = std::string(client->request.target());
    asked.push_back(client->target);
    authorizations.emplace_back(client->request[boost::beast::http::field::authorization]);
    const KubernetesAnswer answer = answer_(*client);
    std::string text =
        "HTTP/1.1 " + std::to_string(answer.status) + " Whatever\r\n" + answer.headers;
    text += answer.watch ? "Transfer-Encoding: chunked\r\n\r\n" + Chunk(answer.body)
                         : "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" +
                               answer.body;
    boost::system::error_code ignored;
    boost::asio::write(client->socket, boost::asio::buffer(text), ignored);
    if (answer.watch) {
      watches_.push_back(client);
    } else if (client->request.keep_alive() && !close_idle) {
      client->request = {};
      Read(client);
    }
  }

  Answerer answer_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Client>> watches_;
};

}  // namespace vsplit
