// SPDX-License-Identifier: Apache-2.0
// A DNS server for the tests: UDP on loopback, on the loop of the test, with the records that the
// test gives it.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vsplit/address.h"

namespace vsplit {

struct DnsRecords {
  std::vector<std::string> addresses;  // of both families
  std::uint32_t ttl = 1;               // seconds
  std::string alias;                   // a CNAME in front of the addresses, with TTL alias_ttl
  std::uint32_t alias_ttl = 1;
};

class DnsServer {
 public:
  explicit DnsServer(boost::asio::io_context& loop)
      : socket_(loop, {boost::asio::ip::address_v4::loopback(), 0}) {
    Receive();
  }

  SocketAddress address() const {
    return {.ip = *ParseIpAddress("127.0.0.1"), .port = socket_.local_endpoint().port()};
  }

  std::map<std::string, DnsRecords> records;  // a name that is not here does not exist
  bool failing = false;                       // SERVFAIL to everything
  bool silent = false;                        // no answer to anything
  std::map<std::string, int> asked;           // questions for A records, by name

 private:
  using Bytes = std::vector<std::uint8_t>;
  static constexpr std::size_t kHeader = 12;
  static constexpr std::uint16_t kA = 1, kCname = 5, kAaaa = 28;
  static constexpr std::uint8_t kServFail = 2, kNxDomain = 3;

  void Receive() {
    socket_.async_receive_from(boost::asio::buffer(buffer_), client_,
                               [this](boost::system::error_code error, std::size_t size) {
                                 if (!error) {
                                   Reply(Bytes(buffer_.begin(), buffer_.begin() + size));
                                   Receive();
                                 }
                               });
  }

  static void Put16(Bytes& out, std::size_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
  }

  static void PutName(Bytes& out, const std::string& name) {
    for (std::size_t begin = 0; begin < name.size();) {
      const std::size_t end = std::min(name.find('.', begin), name.size());
      out.push_back(static_cast<std::uint8_t>(end - begin));
      out.insert(out.end(), name.begin() + static_cast<std::ptrdiff_t>(begin),
                 name.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end + 1;
    }
    out.push_back(0);
  }

  static void PutRecord(Bytes& out, const std::string& name, std::uint16_t type, std::uint32_t ttl,
                        const Bytes& data) {
    PutName(out, name);
    Put16(out, type);
    Put16(out, 1);
    Put16(out, ttl >> 16);
    Put16(out, ttl & 0xffff);
    Put16(out, data.size());
    out.insert(out.end(), data.begin(), data.end());
  }

  void Reply(const Bytes& question) {
    std::string name;
    std::size_t at = kHeader;
    while (question.at(at) != 0) {
      name += (name.empty() ? "" : ".") +
              std::string(question.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                          question.begin() + static_cast<std::ptrdiff_t>(at) + 1 + question[at]);
      at += 1u + question[at];
    }
    const auto type = static_cast<std::uint16_t>(question.at(at + 1) << 8 | question.at(at + 2));
    asked[name] += type == kA ? 1 : 0;
    if (!silent) {
      Bytes head(question.begin(), question.begin() + 2);
      Send(
          std::move(head),
          Bytes(question.begin() + kHeader, question.begin() + static_cast<std::ptrdiff_t>(at) + 5),
          name, type);
    }
  }

  void Send(Bytes reply, const Bytes& question, const std::string& name, std::uint16_t type) {
    Bytes answers;
    std::size_t count = 0;
    const auto found = records.find(name);
    if (found != records.end() && !failing) {
      const DnsRecords& entry = found->second;
      const std::string owner = entry.alias.empty() ? name : entry.alias;
      if (!entry.alias.empty()) {
        Bytes target;
        PutName(target, entry.alias);
        PutRecord(answers, name, kCname, entry.alias_ttl, target);
        ++count;
      }
      for (const std::string& text : entry.addresses) {
        const IpAddress ip = *ParseIpAddress(text);
        if (ip.is_v4() == (type == kA)) {
          PutRecord(answers, owner, type, entry.ttl,
                    Bytes(ip.bytes.begin() + (ip.is_v4() ? 12 : 0), ip.bytes.end()));
          ++count;
        }
      }
    }
    reply.push_back(0x84);  // an answer, authoritative
    reply.push_back(failing ? kServFail : found == records.end() ? kNxDomain : 0);
    Put16(reply, 1);
    Put16(reply, count);
    Put16(reply, 0);
    Put16(reply, 0);
    reply.insert(reply.end(), question.begin(), question.end());
    reply.insert(reply.end(), answers.begin(), answers.end());
    socket_.send_to(boost::asio::buffer(reply), client_);
  }

  boost::asio::ip::udp::socket socket_;
  boost::asio::ip::udp::endpoint client_;
  std::array<std::uint8_t, 1024> buffer_{};
};

}  // namespace vsplit
