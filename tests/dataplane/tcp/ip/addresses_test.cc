// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/addresses.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/ip/routes.h"
#include "dataplane/tcp/wire/listener_discovery.h"
#include "tests/dataplane/tcp/ip/network_fixture.h"

// What a packet's addresses are to an interface of many, held to what the words mean: each address
// is tried against the list, as the table's answer is not to depend on how many are in it.

namespace godwit::dataplane::tcp {
namespace {

using namespace testing;
using Kind = Addresses::Kind;

// Of the family, the n-th of one network.
IpPrefix address_of(bool v4, std::size_t n) {
  return *parse_ip_prefix(v4 ? "192.0.2." + std::to_string(n) + "/24"
                             : "2001:db8::1:" + std::to_string(n) + "/64");
}

class AddressesTest : public ::testing::Test {
 protected:
  void SetUp() override { settings.mac = our_mac; }
  Addresses::Kind kind(const std::string& address) const {
    return Addresses(settings).kind_of(ip(address));
  }

  NetworkSettings settings;
};

TEST_F(AddressesTest, EachOfAsManyAsThereMayBeIsFound) {
  for (const bool v4 : {true, false}) {
    for (const std::size_t count : {std::size_t{1}, addresses_max - 1, addresses_max}) {
      settings.addresses.clear();
      for (std::size_t i = 1; i <= count; ++i) settings.addresses.push_back(address_of(v4, i));
      ASSERT_TRUE(check(settings));
      const Addresses addresses(settings);
      ASSERT_EQ(addresses.all().size(), count + (v4 ? 0 : 1)) << "the link-local one";
      for (std::size_t i = 1; i <= 200; ++i) {
        const IpAddress address = address_of(v4, i).address;
        EXPECT_EQ(addresses.is_own(address), i <= count) << i;
        EXPECT_EQ(addresses.kind_of(address), i <= count ? Kind::own : Kind::foreign) << i;
        if (i <= count) {
          EXPECT_EQ(addresses.find(address), &addresses.all()[i - 1]);
        }
      }
    }
  }
}

TEST_F(AddressesTest, ThereMayBeNoMore) {
  EXPECT_EQ(addresses_max, 60u) << "as control/config_keys.h has it";
  settings.addresses.assign(addresses_max, address_of(true, 1));
  EXPECT_TRUE(check(settings));
  settings.addresses.push_back(address_of(true, 2));
  EXPECT_FALSE(check(settings));
}

TEST_F(AddressesTest, BroadcastsOfEachNetwork) {
  for (const char* one : {"192.0.2.1/24", "192.0.2.77/24", "198.51.100.9/30", "203.0.113.4/31",
                          "10.1.2.3/8", "203.0.113.255/24", "2001:db8::1/64"}) {
    settings.addresses.push_back(*parse_ip_prefix(one));
  }
  EXPECT_EQ(kind("192.0.2.255"), Kind::broadcast);
  EXPECT_EQ(kind("192.0.2.254"), Kind::foreign);
  EXPECT_EQ(kind("198.51.100.11"), Kind::broadcast);
  EXPECT_EQ(kind("203.0.113.5"), Kind::foreign) << "a /31 has none (RFC 3021)";
  EXPECT_EQ(kind("10.255.255.255"), Kind::broadcast);
  EXPECT_EQ(kind("10.1.255.255"), Kind::foreign);
  EXPECT_EQ(kind("203.0.113.255"), Kind::own) << "what is ours is no broadcast";
  EXPECT_EQ(kind("255.255.255.255"), Kind::broadcast);
  EXPECT_EQ(kind("224.0.0.1"), Kind::group);
  EXPECT_EQ(kind("2001:db8::ffff:ffff:ffff:ffff"), Kind::foreign);
  EXPECT_EQ(kind("ff02::1"), Kind::group);
}

TEST_F(AddressesTest, WhoTakesAnyAddressHasNoBroadcastsOfNetworks) {
  settings.link = LinkMode::raw_ip;
  settings.any_address = true;
  EXPECT_EQ(kind("192.0.2.255"), Kind::own);
  settings.addresses = {*parse_ip_prefix("192.0.2.1/24")};
  EXPECT_EQ(kind("192.0.2.255"), Kind::own);
  EXPECT_EQ(kind("255.255.255.255"), Kind::broadcast);
  EXPECT_FALSE(Addresses(settings).is_own(ip("192.0.2.2"))) << "not one of the list";
}

TEST_F(AddressesTest, TheFirstOfTwoThatAreTheSameCounts) {
  settings.addresses = {address_of(true, 1), *parse_ip_prefix("192.0.2.1/16")};
  Addresses addresses(settings);
  EXPECT_EQ(addresses.find(ip("192.0.2.1")), &addresses.all()[0]);
  addresses.all()[0].state = Addresses::State::tentative;
  EXPECT_EQ(addresses.kind_of(ip("192.0.2.1")), Kind::not_ready);
}

// RFC 3810, 5.2.15, would split it; here it always fits.
TEST_F(AddressesTest, AReportOfAsManyFitsTheLeastPacket) {
  EXPECT_LE(listener_report_size(addresses_max + 1), mtu_min_v6);
  EXPECT_GT(listener_report_size(addresses_max + 2), mtu_min_v6);
}

// By IpPrefix::contains, which looks at bytes: at the last bit of the prefix and the first behind
// it.
TEST_F(AddressesTest, ARouteEndsWhereItsPrefixDoes) {
  SeededRandom random(1);
  for (const unsigned bits : {0u, 1u, 7u, 8u, 63u, 64u, 65u, 96u, 97u, 113u, 120u, 127u, 128u}) {
    const bool v4 = bits >= 96;
    IpPrefix prefix{address_of(v4, 1).address, static_cast<std::uint8_t>(bits)};
    random.fill(std::span(prefix.address.bytes).subspan(v4 ? 12 : 1));
    NetworkSettings one;
    one.routes = {{prefix, v4 ? ip("192.0.2.254") : ip("2001:db8::fe")}};
    const Routes routes(one);
    for (unsigned bit = v4 ? 96 : 0; bit < 128; ++bit) {
      IpAddress other = prefix.address;
      other.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> bit % 8);
      EXPECT_EQ(routes.match(other).has_value(), prefix.contains(other)) << bits << ", " << bit;
      EXPECT_EQ(prefix.contains(other), bit >= bits);
    }
    EXPECT_EQ(routes.match(prefix.address), bits);
    EXPECT_EQ(routes.match(v4 ? ip("2001:db8::1") : ip("192.0.2.1")), std::nullopt);
  }
}

TEST_F(AddressesTest, ARouteOfALinkIsOnlyOnce) {
  for (std::size_t i = 1; i <= addresses_max; ++i) {
    settings.addresses.push_back(address_of(i % 2 == 0, i));
  }
  settings.addresses.back().bits = 96 + 25;
  settings.routes = {{*parse_ip_prefix("0.0.0.0/0"), ip("192.0.2.254")}};
  const Routes routes(settings);
  EXPECT_EQ(routes.size(), 5u) << "a /25, a /24, a /64, fe80::/10 and the default";
  EXPECT_EQ(routes.next_hop(ip("192.0.2.200")), ip("192.0.2.200"));
  EXPECT_EQ(routes.next_hop(ip("2001:db8::77")), ip("2001:db8::77"));
  EXPECT_EQ(routes.next_hop(ip("198.51.100.1")), ip("192.0.2.254"));
  EXPECT_EQ(routes.next_hop(ip("2001:db8:1::1")), std::nullopt);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
