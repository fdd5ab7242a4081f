// SPDX-License-Identifier: Apache-2.0
#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace godwit {
namespace {

IpAddress address(std::string_view text) {
  const auto parsed = parse_ip_address(text);
  GODWIT_CHECK(parsed.has_value());
  return *parsed;
}

TEST(IpAddress, LiteralsAreReadAndNothingElse) {
  EXPECT_EQ(address("1.2.3.4"), IpAddress::v4({1, 2, 3, 4}));
  EXPECT_EQ(address("::ffff:1.2.3.4"), IpAddress::v4({1, 2, 3, 4}));
  EXPECT_TRUE(address("1.2.3.4").is_v4());
  EXPECT_FALSE(address("2001:db8::1").is_v4());
  EXPECT_TRUE(address("::1").known());
  EXPECT_FALSE(address("::").known());
  for (const char* wrong :
       {"", "1.2.3", "1.2.3.256", "[::1]", "localhost", "fe80::1%eth0", "1.2.3.4:5"}) {
    EXPECT_FALSE(parse_ip_address(wrong)) << wrong;
  }
}

TEST(IpAddress, ASubscriberIsAnIpv4AddressOrASlash64) {
  EXPECT_NE(address("1.2.3.4").subscriber(), address("1.2.3.5").subscriber());
  EXPECT_EQ(address("2001:db8:0:7::1").subscriber(), address("2001:db8:0:7:ffff::2").subscriber());
  EXPECT_NE(address("2001:db8:0:7::1").subscriber(), address("2001:db8:0:8::1").subscriber());
  EXPECT_NE(address("::1").subscriber(), address("0.0.0.1").subscriber());
}

TEST(IpAddress, PrefixesContainWhatBeginsLikeThem) {
  struct Case {
    const char* prefix;
    const char* inside;
    const char* outside;
  };
  for (const Case& each :
       {Case{"127.0.0.0/8", "127.255.255.255", "128.0.0.0"},
        Case{"10.1.2.128/25", "10.1.2.255", "10.1.2.127"},
        Case{"10.1.2.3/32", "10.1.2.3", "10.1.2.2"}, Case{"10.1.2.3", "10.1.2.3", "10.1.2.4"},
        Case{"0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
        Case{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
        Case{"::1/128", "::1", "::2"}}) {
    const auto prefix = parse_ip_prefix(each.prefix);
    ASSERT_TRUE(prefix) << each.prefix;
    EXPECT_TRUE(prefix->contains(address(each.inside))) << each.prefix;
    EXPECT_FALSE(prefix->contains(address(each.outside))) << each.prefix;
  }
  EXPECT_TRUE(parse_ip_prefix("::/0")->contains(address("1.2.3.4")));
  for (const char* wrong : {"", "/8", "1.2.3.4/", "1.2.3.4/33", "::/129", "::/1000", "1.2.3.4/-1",
                            "1.2.3.4/8x", "x/8"}) {
    EXPECT_FALSE(parse_ip_prefix(wrong)) << wrong;
  }
}

TEST(IpAddress, AListOfPrefixesHasCommasOrSpaces) {
  EXPECT_TRUE(parse_ip_prefixes("")->empty());
  EXPECT_TRUE(parse_ip_prefixes(" , ")->empty());
  EXPECT_EQ(parse_ip_prefixes("127.0.0.0/8, ::1")->size(), 2u);
  EXPECT_EQ(parse_ip_prefixes("127.0.0.0/8 ::1,10.0.0.1 ")->size(), 3u);
  const auto wrong = parse_ip_prefixes("127.0.0.0/8, 10.0.0.0/40");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("'10.0.0.0/40'"), std::string::npos);
}

TEST(IpAddress, IsWrittenAsItIsRead) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "::", "2001:db8::1", "fe80::1:2"}) {
    EXPECT_EQ(to_text(*parse_ip_address(text)), text);
  }
  EXPECT_EQ(to_text(*parse_ip_address("2001:DB8:0:0:0:0:0:1")), "2001:db8::1");
}

TEST(IpRoute, Forms) {
  EXPECT_TRUE(parse_ip_routes("")->empty());
  EXPECT_TRUE(parse_ip_routes("  ")->empty());
  const auto routes = parse_ip_routes("10.0.0.0/8 via 192.0.2.254 ,2001:db8::/32 via fe80::1");
  ASSERT_TRUE(routes) << routes.error().message;
  ASSERT_EQ(routes->size(), 2u);
  EXPECT_EQ((*routes)[0].destination, *parse_ip_prefix("10.0.0.0/8"));
  EXPECT_EQ((*routes)[0].gateway, *parse_ip_address("192.0.2.254"));
  EXPECT_EQ((*routes)[1].gateway, *parse_ip_address("fe80::1"));
  for (const char* wrong : {"10.0.0.0/8", "10.0.0.0/8 via", "via 10.0.0.1", "10.0.0.0/8 via x",
                            "10.0.0.0/33 via 10.0.0.1", "10.0.0.0/8 via fe80::1", ",",
                            "10.0.0.0/8 via 10.0.0.1,,", "10.0.0.0/8 through 10.0.0.1"}) {
    EXPECT_FALSE(parse_ip_routes(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace godwit
