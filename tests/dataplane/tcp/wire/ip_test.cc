// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/ip.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/wire/checksum.h"
#include "tests/dataplane/tcp/wire/packets.h"

namespace godwit::dataplane::tcp {
namespace {

using testing::ip;
using testing::Packet;

const Packet payload = {1, 2, 3, 4, 5, 6, 7, 8};

Packet v4_packet() {
  return testing::ip_packet({ip("192.0.2.1"), ip("198.51.100.2"), Protocol::tcp, 0, Ecn::capable_0},
                            payload);
}

void fix_checksum(Packet& packet) {
  const std::size_t size = (packet[0] & 15u) * 4;
  packet[10] = packet[11] = 0;
  Checksum checksum;
  checksum.add(Bytes(packet).first(size));
  const std::uint16_t value = checksum.finish();
  packet[10] = static_cast<std::uint8_t>(value >> 8);
  packet[11] = static_cast<std::uint8_t>(value);
}

// An IPv4 packet with these options, padded to words.
Packet with_options(Packet options) {
  while (options.size() % 4 != 0) options.push_back(0);
  Packet packet = v4_packet();
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
  packet[3] = static_cast<std::uint8_t>(packet.size());
  fix_checksum(packet);
  return packet;
}

TEST(Ipv4, WrittenAndRead) {
  Packet packet = v4_packet();
  packet.resize(60);  // an Ethernet frame's padding is no payload
  const auto read = parse_ipv4(packet, false);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->source, ip("192.0.2.1"));
  EXPECT_EQ(read->destination, ip("198.51.100.2"));
  EXPECT_EQ(read->protocol, Protocol::tcp);
  EXPECT_EQ(read->ecn, Ecn::capable_0);
  EXPECT_EQ(read->hop_limit, 64);
  EXPECT_TRUE(std::ranges::equal(read->payload, payload));
  EXPECT_EQ(read->whole.size(), 28u);
}

TEST(Ipv4, SentPacketsAreAtomic) {
  const Packet packet = v4_packet();
  EXPECT_EQ(packet[4] | packet[5], 0);  // RFC 6864, 4.1
  EXPECT_EQ(packet[6], 0x40);
  EXPECT_EQ(packet[7], 0);
}

TEST(Ipv4, ChecksumIsLookedAtUnlessThePortDid) {
  Packet packet = v4_packet();
  packet[8] ^= 1;
  EXPECT_EQ(parse_ipv4(packet, false).error().drop, Drop::bad_ip_checksum);
  EXPECT_TRUE(parse_ipv4(packet, true));
}

TEST(Ipv4, LengthsThatCannotBe) {
  Packet packet = v4_packet();
  EXPECT_EQ(parse_ipv4(MutableBytes(packet).first(19), false).error().drop, Drop::short_frame);
  EXPECT_EQ(parse_ipv4(MutableBytes(packet).first(27), false).error().drop, Drop::short_frame);
  packet[3] = 19;
  EXPECT_EQ(parse_ipv4(packet, true).error().drop, Drop::bad_ip_header);
  packet[3] = 20;
  EXPECT_TRUE(parse_ipv4(packet, true));
  packet[0] = 0x44;
  EXPECT_EQ(parse_ipv4(packet, true).error().drop, Drop::bad_ip_header);
  packet[0] = 0x65;
  EXPECT_EQ(parse_ipv4(packet, true).error().drop, Drop::bad_ip_header);
  packet[0] = 0x4f;  // 60 bytes of header in 28
  EXPECT_EQ(parse_ipv4(packet, true).error().drop, Drop::bad_ip_header);
}

TEST(Ipv4, FragmentsAreDropped) {
  for (const auto& [high, low] : {std::pair{0x20, 0}, {0x00, 1}, {0x20, 5}, {0x1f, 0xff}}) {
    Packet packet = v4_packet();
    packet[6] = static_cast<std::uint8_t>(high);
    packet[7] = static_cast<std::uint8_t>(low);
    fix_checksum(packet);
    EXPECT_EQ(parse_ipv4(packet, false).error().drop, Drop::fragment);
  }
  Packet reserved = v4_packet();
  reserved[6] = 0x80;  // the reserved bit means nothing
  fix_checksum(reserved);
  EXPECT_TRUE(parse_ipv4(reserved, false));
}

TEST(Ipv4, OptionsAreSkippedAndSourceRoutesRefused) {
  Packet timestamp = with_options({68, 4, 5, 0, 1, 1});
  const auto read = parse_ipv4(timestamp, false);
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::ranges::equal(read->payload, payload));
  for (std::uint8_t kind : {131, 137}) {
    Packet routed = with_options({kind, 7, 4, 192, 0, 2, 9});
    EXPECT_EQ(parse_ipv4(routed, false).error().drop, Drop::source_route);
  }
  Packet alert = with_options({148, 4, 0, 0});
  EXPECT_TRUE(parse_ipv4(alert, false)->router_alert);
  for (const Packet& options : {Packet{68, 0}, {68, 1}, {68, 5, 0, 0}, {1, 1, 1, 68}}) {
    Packet malformed = with_options(options);
    EXPECT_EQ(parse_ipv4(malformed, false).error().drop, Drop::bad_ip_header);
  }
  Packet ended = with_options({0, 131, 1, 1});  // behind the end is padding
  EXPECT_TRUE(parse_ipv4(ended, false));
}

// An IPv6 packet whose payload is `extensions`, the first of which is `first`, and then `payload`.
Packet v6_packet(Protocol first, Packet extensions) {
  extensions.insert(extensions.end(), payload.begin(), payload.end());
  return testing::ip_packet({ip("2001:db8::1"), ip("2001:db8::2"), first, 0, Ecn::congested},
                            extensions);
}

std::uint8_t number(Protocol protocol) {
  return static_cast<std::uint8_t>(protocol);
}

TEST(Ipv6, WrittenAndRead) {
  Packet packet = v6_packet(Protocol::tcp, {});
  packet.resize(80);
  const auto read = parse_ipv6(packet);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->source, ip("2001:db8::1"));
  EXPECT_EQ(read->destination, ip("2001:db8::2"));
  EXPECT_EQ(read->protocol, Protocol::tcp);
  EXPECT_EQ(read->ecn, Ecn::congested);
  EXPECT_EQ(read->protocol_offset, 6);
  EXPECT_TRUE(std::ranges::equal(read->payload, payload));
}

TEST(Ipv6, LengthsThatCannotBe) {
  Packet packet = v6_packet(Protocol::tcp, {});
  EXPECT_EQ(parse_ipv6(MutableBytes(packet).first(39)).error().drop, Drop::short_frame);
  EXPECT_EQ(parse_ipv6(MutableBytes(packet).first(47)).error().drop, Drop::short_frame);
  EXPECT_TRUE(parse_ipv6(packet));
  packet[0] = 0x45;
  EXPECT_EQ(parse_ipv6(packet).error().drop, Drop::bad_ip_header);
}

TEST(Ipv6, ExtensionHeadersAreWalked) {
  const Packet extensions = {number(Protocol::destination_options),
                             0,
                             5,
                             2,
                             0,
                             0,
                             1,
                             0,
                             number(Protocol::routing),
                             0,
                             1,
                             4,
                             0,
                             0,
                             0,
                             0,
                             number(Protocol::tcp),
                             0,
                             4,
                             0,
                             0,
                             0,
                             0,
                             0};
  Packet packet = v6_packet(Protocol::hop_by_hop, extensions);
  const auto read = parse_ipv6(packet);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->protocol, Protocol::tcp);
  EXPECT_TRUE(read->router_alert);
  EXPECT_EQ(read->protocol_offset, 40 + 16);
  EXPECT_TRUE(std::ranges::equal(read->payload, payload));
}

TEST(Ipv6, NumberOfExtensionHeadersIsBounded) {
  for (const std::size_t count : {extension_headers_max, extension_headers_max + 1}) {
    Packet extensions;
    for (std::size_t i = 0; i < count; ++i) {
      const auto next = i + 1 == count ? Protocol::tcp : Protocol::destination_options;
      extensions.insert(extensions.end(), {number(next), 0, 1, 4, 0, 0, 0, 0});
    }
    Packet packet = v6_packet(Protocol::destination_options, extensions);
    const auto read = parse_ipv6(packet);
    EXPECT_EQ(read.has_value(), count == extension_headers_max);
    if (!read) {
      EXPECT_EQ(read.error().drop, Drop::extension_headers);
    }
  }
}

TEST(Ipv6, BytesOfExtensionHeadersAreBounded) {
  for (const std::size_t size : {extension_bytes_max, extension_bytes_max + 8}) {
    Packet extension(size);
    extension[0] = number(Protocol::tcp);
    extension[1] = static_cast<std::uint8_t>(size / 8 - 1);
    Packet packet = v6_packet(Protocol::destination_options, extension);
    EXPECT_EQ(parse_ipv6(packet).has_value(), size == extension_bytes_max);
  }
}

TEST(Ipv6, ExtensionHeaderPastTheEnd) {
  Packet packet = v6_packet(Protocol::destination_options, {number(Protocol::tcp), 1, 1, 4});
  packet.resize(52);
  packet[5] = 12;
  EXPECT_EQ(parse_ipv6(packet).error().drop, Drop::extension_headers);
  packet.resize(44);
  packet[5] = 4;  // not even its two first bytes' eight
  EXPECT_EQ(parse_ipv6(packet).error().drop, Drop::extension_headers);
}

TEST(Ipv6, RoutingTypeZeroIsRefused) {
  for (const std::uint8_t segments_left : {0, 1}) {
    Packet packet =
        v6_packet(Protocol::routing, {number(Protocol::tcp), 0, 0, segments_left, 0, 0, 0, 0});
    const auto refusal = parse_ipv6(packet).error();
    EXPECT_EQ(refusal.drop, Drop::source_route);
    ASSERT_TRUE(refusal.problem);
    EXPECT_EQ(refusal.problem->code, 0);
    EXPECT_EQ(refusal.problem->pointer, 42u);
  }
}

TEST(Ipv6, RoutingOfAnotherTypeEndsWhereSegmentsAreLeft) {
  for (const std::uint8_t segments_left : {0, 1}) {
    Packet packet =
        v6_packet(Protocol::routing, {number(Protocol::tcp), 0, 4, segments_left, 0, 0, 0, 0});
    EXPECT_EQ(parse_ipv6(packet).has_value(), segments_left == 0);
  }
}

TEST(Ipv6, FragmentsAreDropped) {
  Packet packet = v6_packet(Protocol::fragment, {number(Protocol::tcp), 0, 0, 1, 0, 0, 0, 7});
  EXPECT_EQ(parse_ipv6(packet).error().drop, Drop::fragment);
}

// RFC 8200, 4.2: the two highest bits of an option say what to do with it when it is unknown.
TEST(Ipv6, UnknownOptionsSayThemselvesWhatToDo) {
  const auto parse = [](std::uint8_t option) {
    Packet packet =
        v6_packet(Protocol::destination_options, {number(Protocol::tcp), 0, option, 4, 0, 0, 0, 0});
    return parse_ipv6(packet);
  };
  EXPECT_TRUE(parse(0x1e));
  EXPECT_FALSE(parse(0x5e).error().problem);
  const auto reported = parse(0x9e).error();
  ASSERT_TRUE(reported.problem);
  EXPECT_EQ(reported.problem->code, 2);
  EXPECT_EQ(reported.problem->pointer, 42u);
  EXPECT_TRUE(reported.problem->to_multicast);
  EXPECT_FALSE(parse(0xde).error().problem->to_multicast);
}

TEST(Ipv6, MalformedOption) {
  Packet packet =
      v6_packet(Protocol::destination_options, {number(Protocol::tcp), 0, 0x1e, 5, 0, 0, 0, 0});
  EXPECT_EQ(parse_ipv6(packet).error().drop, Drop::extension_headers);
}

TEST(Ipv6, HopByHopIsFirstOrNowhere) {
  Packet packet =
      v6_packet(Protocol::destination_options, {number(Protocol::hop_by_hop), 0, 1, 4, 0, 0, 0, 0,
                                                number(Protocol::tcp), 0, 1, 4, 0, 0, 0, 0});
  const auto refusal = parse_ipv6(packet).error();
  ASSERT_TRUE(refusal.problem);
  EXPECT_EQ(refusal.problem->code, 1);
}

TEST(Martians, Sources) {
  for (const char* bad : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
                          "255.255.255.255"}) {
    EXPECT_TRUE(is_martian_source(ip(bad), false)) << bad;
  }
  for (const char* good :
       {"1.0.0.1", "10.0.0.1", "126.255.255.255", "128.0.0.1", "223.255.255.255", "169.254.1.1"}) {
    EXPECT_FALSE(is_martian_source(ip(good), false)) << good;
  }
  for (const char* bad : {"::", "::1", "::192.0.2.1", "::ffff:192.0.2.1", "ff02::1", "ff0e::1"}) {
    EXPECT_TRUE(is_martian_source(ip(bad), true)) << bad;
  }
  for (const char* good : {"2001:db8::1", "fe80::1", "fd00::1", "64:ff9b::192.0.2.1"}) {
    EXPECT_FALSE(is_martian_source(ip(good), true)) << good;
  }
}

TEST(Martians, GroupsAreDestinations) {
  EXPECT_FALSE(is_martian_destination(ip("224.0.0.1"), false));
  EXPECT_FALSE(is_martian_destination(ip("255.255.255.255"), false));
  EXPECT_TRUE(is_martian_destination(ip("255.255.255.254"), false));
  EXPECT_TRUE(is_martian_destination(ip("127.0.0.1"), false));
  EXPECT_FALSE(is_martian_destination(ip("ff02::1"), true));
  EXPECT_TRUE(is_martian_destination(ip("::1"), true));
  EXPECT_TRUE(is_martian_destination(ip("::ffff:192.0.2.1"), true));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
