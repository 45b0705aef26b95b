// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>

#include "vsplit/address.h"
#include "vsplit/result.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

IpAddress Address(const char* text) {
  return ParseIpAddress(text).value_or(IpAddress{});
}

std::string RoundTrip(const std::string& text) {
  const std::optional<IpAddress> address = ParseIpAddress(text);
  return address ? ToString(*address) : "refused";
}

std::string SocketRoundTrip(const std::string& text) {
  const std::optional<SocketAddress> address = ParseSocketAddress(text);
  return address ? ToString(*address) : "refused";
}

TEST(Base, AddressesPrintAsTheyAreRead) {
  for (const char* text : {"0.0.0.0", "10.96.0.7", "255.255.255.255", "::", "::1", "fd00::7",
                           "2001:db8:1:2:3:4:5:6", "fe80::1"}) {
    EXPECT_EQ(RoundTrip(text), text);
  }
}

TEST(Base, AddressesPrintInShortestForm) {
  EXPECT_EQ(RoundTrip("FD00:0:0:0:0:0:0:7"), "fd00::7");
  EXPECT_EQ(RoundTrip("::ffff:10.96.0.7"), "10.96.0.7");
  EXPECT_EQ(RoundTrip("::ffff:0a60:7"), "10.96.0.7");
}

TEST(Base, MappedAddressIsV4) {
  EXPECT_TRUE(Address("10.0.0.1").is_v4());
  EXPECT_TRUE(Address("::ffff:10.0.0.1").is_v4());
  EXPECT_EQ(ParseIpAddress("::ffff:10.0.0.1"), ParseIpAddress("10.0.0.1"));
  EXPECT_FALSE(Address("::10.0.0.1").is_v4());
  EXPECT_FALSE(Address("fd00::1").is_v4());
}

std::string PrefixRoundTrip(const std::string& text) {
  const std::optional<IpPrefix> prefix = ParseIpPrefix(text);
  return prefix ? ToString(*prefix) : "refused";
}

TEST(Base, PrefixesPrintAsTheyAreRead) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "10.96.0.7", "::/0", "fd00::/8", "::1"}) {
    EXPECT_EQ(PrefixRoundTrip(text), text);
  }
  EXPECT_EQ(PrefixRoundTrip("10.1.2.3/9"), "10.0.0.0/9");
  EXPECT_EQ(PrefixRoundTrip("10.1.2.3/32"), "10.1.2.3");
  EXPECT_EQ(PrefixRoundTrip("fd00:ffff::/17"), "fd00:8000::/17");
  EXPECT_EQ(PrefixRoundTrip("::ffff:0:0/96"), "0.0.0.0/0");
}

TEST(Base, WhatIsNoPrefixIsRefused) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
                           "10.0.0.0/8/8", "10.0/8", "::/129", "fd00::/8 ", "reviews/8"}) {
    EXPECT_EQ(PrefixRoundTrip(text), "refused") << text;
  }
}

TEST(Base, PrefixesContainWhatBeginsLikeThem) {
  const IpPrefix tens = ParseIpPrefix("10.128.0.0/9").value_or(IpPrefix{});
  EXPECT_TRUE(tens.Contains(Address("10.255.0.1")));
  EXPECT_FALSE(tens.Contains(Address("10.127.255.255")));
  EXPECT_FALSE(tens.Contains(Address("fd00::1")));
  EXPECT_TRUE(ParseIpPrefix("10.0.0.1")->Contains(Address("10.0.0.1")));
}

TEST(Base, AddressBytesAreInNetworkOrder) {
  const IpAddress expected{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 96, 0, 7}};
  EXPECT_EQ(ParseIpAddress("10.96.0.7"), expected);
}

TEST(Base, V4AddressesAreOrderedByValue) {
  EXPECT_LT(ParseIpAddress("9.255.255.255"), ParseIpAddress("10.0.0.0"));
  EXPECT_LT(ParseIpAddress("10.0.0.2"), ParseIpAddress("10.0.0.10"));
}

TEST(Base, WhatIsNoAddressIsRefused) {
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.4/8", " 1.2.3.4", "1.2.3.4 ",
        "1.2.3.4:80", "0x1.2.3.4", "[::1]", "::1%lo", "fd00::1::2", "fd00::/8",
        ":::", "1::2:", "g::", "localhost", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_EQ(ParseIpAddress(text), std::nullopt) << text;
  }
}

TEST(Base, AddressWithZeroByteInsideIsRefused) {
  EXPECT_EQ(ParseIpAddress(std::string("1.2.3.4\0x", 9)), std::nullopt);
  EXPECT_EQ(ParseSocketAddress(std::string("1.2.3.4\0x:80", 12)), std::nullopt);
}

TEST(Base, SocketAddressesPrintAsTheyAreRead) {
  for (const char* text : {"10.96.0.7:80", "0.0.0.0:1", "[fd00::7]:65535", "[::]:443"}) {
    EXPECT_EQ(SocketRoundTrip(text), text);
  }
  EXPECT_EQ(SocketRoundTrip("[::ffff:10.96.0.7]:80"), "10.96.0.7:80");
}

TEST(Base, WhatIsNoSocketAddressIsRefused) {
  for (const char* text : {"",
                           ":",
                           ":80",
                           "10.0.0.1",
                           "10.0.0.1:",
                           "10.0.0.1:0",
                           "10.0.0.1:65536",
                           "10.0.0.1:-1",
                           "10.0.0.1:+1",
                           "10.0.0.1: 80",
                           "10.0.0.1:80x",
                           "10.0.0.1:http",
                           "[10.0.0.1]:80",
                           "fd00::7:80",
                           "[fd00::7]",
                           "[fd00::7]80",
                           "[fd00::7:80",
                           "fd00::7]:80",
                           "[]:80",
                           "host:80"}) {
    EXPECT_EQ(ParseSocketAddress(text), std::nullopt) << text;
  }
}

TEST(Base, DiagnosticTextNamesEachPlaceThatIsKnown) {
  Diagnostic diagnostic{.object = "VirtualService default/fleetman",
                        .path = "spec.http[0].route[1].weight",
                        .line = 14,
                        .column = 15,
                        .message = "found -10, weights are integers >= 0",
                        .source = "rules.yaml"};
  EXPECT_EQ(ToString(diagnostic),
            "rules.yaml:14:15: VirtualService default/fleetman: spec.http[0].route[1].weight: "
            "found -10, weights are integers >= 0");
  diagnostic.source = "";
  diagnostic.path = "";
  diagnostic.severity = Diagnostic::Severity::kWarning;
  EXPECT_EQ(ToString(diagnostic),
            "line 14:15: warning: VirtualService default/fleetman: found -10, weights are integers "
            ">= 0");
}

TEST(Base, DiagnosticWithoutLineNamesOnlyTheFile) {
  EXPECT_EQ(ToString(Diagnostic{.message = "empty", .source = "rules.yaml"}), "rules.yaml: empty");
  EXPECT_EQ(ToString(Diagnostic{.message = "empty"}), "empty");
}

TEST(Base, WarningsAreNoErrors) {
  const Diagnostic warning{.severity = Diagnostic::Severity::kWarning, .message = "w"};
  EXPECT_FALSE(HasErrors({}));
  EXPECT_FALSE(HasErrors({warning, warning}));
  EXPECT_TRUE(HasErrors({warning, Diagnostic{.message = "e"}, warning}));
}

TEST(Base, FailErrnoAppendsWhatTheSystemSays) {
  errno = ENOENT;
  EXPECT_EQ(FailErrno("open \"x\"").value().message, "open \"x\": No such file or directory");
  EXPECT_EQ(FailErrno("update routes", E2BIG).value().message,
            "update routes: Argument list too long");
  EXPECT_EQ(FailErrno("load", -EPERM).value(),
            (Error{.message = "load: Operation not permitted", .reason = Error::Reason::kSystem}));
}

TEST(Base, FailKeepsTheReasonOfItsCause) {
  const Error cause{.message = "services \"x\" not found", .reason = Error::Reason::kNotFound};
  EXPECT_EQ(Fail("delete", cause).value(), (Error{.message = "delete: services \"x\" not found",
                                                  .reason = Error::Reason::kNotFound}));
  const Result<int> result = Fail("no room", Error::Reason::kFull);
  EXPECT_EQ(result.error(), (Error{.message = "no room", .reason = Error::Reason::kFull}));
}

TEST(Base, OnlyLettersOfAsciiHaveALowerCase) {
  EXPECT_EQ(Lower("Grpc-WEB@[`{ 7"), "grpc-web@[`{ 7");
  EXPECT_EQ(Lower("\xC3\x84Z"), "\xC3\x84z");
}

TEST(BaseDeathTest, BrokenPromiseAborts) {
  Check(true, "kept");
  EXPECT_DEATH(Check(false, "two hosts own one frontend id"),
               "vsplit: broken promise: two hosts own one frontend id");
}

}  // namespace
}  // namespace vsplit
