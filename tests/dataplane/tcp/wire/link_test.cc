// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "dataplane/tcp/wire/arp.h"
#include "dataplane/tcp/wire/ethernet.h"

namespace godwit::dataplane::tcp {
namespace {

constexpr MacAddress mac_a{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress mac_b{{2, 0, 0, 0, 0, 2}};

TEST(Ethernet, WrittenAndReadWithAndWithoutTag) {
  for (const bool tagged : {false, true}) {
    EthernetHeader header{mac_a, mac_b, {}, EtherType::ipv6};
    if (tagged) header.vlan = vlan_id_max;
    std::vector<std::uint8_t> bytes(header.size());
    EXPECT_EQ(bytes.size(), tagged ? 18u : 14u);
    write_ethernet(bytes, header);
    const auto read = parse_ethernet(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->destination, mac_a);
    EXPECT_EQ(read->source, mac_b);
    EXPECT_EQ(read->vlan, header.vlan);
    EXPECT_EQ(read->type, EtherType::ipv6);
    bytes.pop_back();
    EXPECT_EQ(parse_ethernet(bytes).error(), Drop::short_frame);
  }
}

TEST(Ethernet, TagsPriorityBitsAreNotItsVlan) {
  std::vector<std::uint8_t> bytes(18);
  write_ethernet(bytes, {mac_a, mac_b, 7, EtherType::ipv4});
  bytes[14] |= 0xe0;
  EXPECT_EQ(parse_ethernet(bytes)->vlan, 7);
}

TEST(Ethernet, NoGroupSends) {
  std::vector<std::uint8_t> bytes(14);
  write_ethernet(bytes, {mac_a, broadcast_mac, {}, EtherType::ipv4});
  EXPECT_EQ(parse_ethernet(bytes).error(), Drop::bad_source_mac);
}

TEST(Ethernet, MacText) {
  EXPECT_EQ(parse_mac("02:00:00:00:00:01"), mac_a);
  for (const char* wrong : {"", "02:00:00:00:00", "02:00:00:00:00:01:", "02-00-00-00-00-01",
                            "02:00:00:00:00:0g", "2:0:0:0:0:1"}) {
    EXPECT_FALSE(parse_mac(wrong)) << wrong;
  }
}

TEST(Ethernet, GroupOfAMulticastAddress) {
  const MacAddress mac = multicast_mac(parse_ip_address("ff02::1:ff01:203").value());
  EXPECT_EQ(mac, (MacAddress{{0x33, 0x33, 0xff, 0x01, 0x02, 0x03}}));
}

Arp example() {
  return {Arp::Operation::reply, mac_a, parse_ip_address("192.0.2.1").value(), mac_b,
          parse_ip_address("192.0.2.2").value()};
}

TEST(Arp, WrittenAndRead) {
  std::vector<std::uint8_t> bytes(arp_size);
  write_arp(bytes, example());
  bytes.resize(46);  // padding of a short frame
  const auto read = parse_arp(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->operation, Arp::Operation::reply);
  EXPECT_EQ(read->sender_mac, mac_a);
  EXPECT_EQ(read->sender, example().sender);
  EXPECT_EQ(read->target_mac, mac_b);
  EXPECT_EQ(read->target, example().target);
}

TEST(Arp, RefusesWhatIsNotEthernetAndIpv4) {
  std::vector<std::uint8_t> good(arp_size);
  write_arp(good, example());
  // Hardware, protocol, their lengths, operation 3.
  for (const std::size_t at : {1u, 2u, 4u, 5u, 6u}) {
    auto wrong = good;
    wrong[at] ^= 0x40;
    EXPECT_EQ(parse_arp(wrong).error(), Drop::bad_arp) << at;
  }
  for (std::uint8_t operation : {0, 3}) {
    auto wrong = good;
    wrong[7] = operation;
    EXPECT_EQ(parse_arp(wrong).error(), Drop::bad_arp);
  }
  good.pop_back();
  EXPECT_EQ(parse_arp(good).error(), Drop::short_frame);
}

TEST(Arp, RefusesASenderThatIsAGroupOrNobody) {
  std::vector<std::uint8_t> bytes(arp_size);
  for (const MacAddress& mac : {broadcast_mac, MacAddress{}}) {
    Arp arp = example();
    arp.sender_mac = mac;
    write_arp(bytes, arp);
    EXPECT_EQ(parse_arp(bytes).error(), Drop::bad_arp);
  }
}

}  // namespace
}  // namespace godwit::dataplane::tcp
