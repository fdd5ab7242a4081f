// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/icmp.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/wire/checksum.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"
#include "tests/dataplane/tcp/wire/packets.h"

namespace godwit::dataplane::tcp {
namespace {

using testing::ip;
using testing::Packet;
using Kind = IcmpError::Kind;

struct Family {
  IpAddress us;
  IpAddress peer;
  IpAddress router;
};
const Family v4{ip("192.0.2.1"), ip("198.51.100.2"), ip("203.0.113.1")};
const Family v6{ip("2001:db8::1"), ip("2001:db8::2"), ip("2001:db8::ff")};

Packet sent_segment(const Family& family) {
  return testing::tcp_packet({{family.us, family.peer, 80, 5000}, 1234, 0, 0, Flags::syn});
}

std::expected<IcmpError, Drop> read_error(const Family& family, const IcmpOut& message) {
  Packet packet = testing::icmp_packet(family.router, family.us, message);
  const auto parsed = testing::parse_ip(packet);
  return parse_icmp_error(*parsed, *parse_icmp(*parsed));
}

TEST(Icmp, WrittenAndRead) {
  const Packet body = {1, 2, 3};
  for (const Family& family : {v4, v6}) {
    Packet packet = testing::icmp_packet(family.peer, family.us, {v4_echo, 0, 0x12345678, body});
    const auto message = parse_icmp(*testing::parse_ip(packet));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->type, v4_echo);
    EXPECT_EQ(message->rest, 0x12345678u);
    EXPECT_TRUE(std::ranges::equal(message->body, body));
    packet.back() ^= 1;
    EXPECT_EQ(parse_icmp(*testing::parse_ip(packet)).error(), Drop::bad_icmp);
  }
}

TEST(Icmp, ShortIsRefused) {
  Packet packet = testing::ip_packet({v4.peer, v4.us, Protocol::icmp}, Packet(7));
  EXPECT_EQ(parse_icmp(*testing::parse_ip(packet)).error(), Drop::bad_icmp);
}

struct Case {
  std::uint8_t type;
  std::uint8_t code;
  Kind kind;
};

// RFC 1122, 4.2.3.9; RFC 5927, 3.
TEST(IcmpErrors, AreClassed) {
  const Case cases_v4[] = {{3, 0, Kind::unreachable_soft},  {3, 1, Kind::unreachable_soft},
                           {3, 2, Kind::unreachable_hard},  {3, 3, Kind::unreachable_hard},
                           {3, 4, Kind::too_big},           {3, 5, Kind::unreachable_soft},
                           {3, 9, Kind::unreachable_hard},  {3, 10, Kind::unreachable_hard},
                           {3, 13, Kind::unreachable_hard}, {11, 0, Kind::unreachable_soft},
                           {12, 0, Kind::unreachable_soft}};
  const Case cases_v6[] = {{1, 0, Kind::unreachable_soft}, {1, 1, Kind::unreachable_hard},
                           {1, 3, Kind::unreachable_soft}, {1, 4, Kind::unreachable_hard},
                           {2, 0, Kind::too_big},          {3, 0, Kind::unreachable_soft},
                           {4, 0, Kind::unreachable_soft}, {4, 1, Kind::unreachable_hard}};
  const auto check = [](const Family& family, const Case& one) {
    const auto error = read_error(family, {one.type, one.code, 1280, sent_segment(family)});
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, one.kind) << int{one.type} << "." << int{one.code};
    EXPECT_EQ(error->flow, (Flow{family.us, family.peer, 80, 5000}));
    EXPECT_EQ(error->seq, 1234u);
    EXPECT_EQ(error->mtu, one.kind == Kind::too_big ? 1280u : 0u);
  };
  for (const Case& one : cases_v4) check(v4, one);
  for (const Case& one : cases_v6) check(v6, one);
}

TEST(IcmpErrors, OnlyTheLowHalfOfIpv4sMtuCounts) {
  EXPECT_EQ(read_error(v4, {3, 4, 0xdead0240, sent_segment(v4)})->mtu, 0x240u);
}

TEST(IcmpErrors, QuoteMustHaveSequenceNumber) {
  for (const Family& family : {v4, v6}) {
    const Packet quote = sent_segment(family);
    const std::size_t need = ip_header_size(family.us.is_v4()) + 8;
    const std::uint8_t type = family.us.is_v4() ? 3 : 1;
    EXPECT_TRUE(read_error(family, {type, 0, 0, Bytes(quote).first(need)}));
    for (std::size_t size = 0; size < need; ++size) {
      EXPECT_EQ(read_error(family, {type, 0, 0, Bytes(quote).first(size)}).error(),
                Drop::icmp_foreign);
    }
  }
}

TEST(IcmpErrors, QuoteMustBeOurs) {
  const Packet foreign = testing::tcp_packet({{v4.peer, v4.us, 80, 5000}, 1, 0, 0, Flags::syn});
  EXPECT_EQ(read_error(v4, {3, 1, 0, foreign}).error(), Drop::icmp_foreign);
  Packet fragment = sent_segment(v4);
  fragment[7] = 1;
  EXPECT_EQ(read_error(v4, {3, 1, 0, fragment}).error(), Drop::icmp_foreign);
  Packet udp = sent_segment(v4);
  udp[9] = 17;
  EXPECT_EQ(read_error(v4, {3, 1, 0, udp}).error(), Drop::icmp_ignored);
  Packet mixed = sent_segment(v6);
  EXPECT_EQ(read_error(v4, {3, 1, 0, mixed}).error(), Drop::icmp_foreign);
}

TEST(IcmpErrors, OthersAreIgnored) {
  for (const std::uint8_t type : {0, 4, 5, 8, 13}) {  // 4: source quench, 5: redirect
    EXPECT_EQ(read_error(v4, {type, 0, 0, sent_segment(v4)}).error(), Drop::icmp_ignored);
  }
  for (const std::uint8_t type : {100, 128, 137}) {
    EXPECT_EQ(read_error(v6, {type, 0, 0, sent_segment(v6)}).error(), Drop::icmp_ignored);
  }
}

TEST(IcmpErrors, QuoteLengths) {
  Packet small = sent_segment(v4);
  EXPECT_EQ(quote_size(*testing::parse_ip(small)), small.size());
  Packet large = testing::ip_packet({v4.peer, v4.us, Protocol::udp}, Packet(1400));
  EXPECT_EQ(quote_size(*testing::parse_ip(large)), 576u - 28);
  Packet large_v6 = testing::ip_packet({v6.peer, v6.us, Protocol::udp}, Packet(1400));
  EXPECT_EQ(quote_size(*testing::parse_ip(large_v6)), 1280u - 48);
}

bool valid_udp(const Family& family, Packet datagram, bool with_checksum) {
  if (with_checksum) {
    Checksum checksum;
    add_pseudo_header(checksum, {family.peer, family.us,
                                 static_cast<std::uint32_t>(datagram[4] << 8 | datagram[5]), 17});
    checksum.add(datagram);
    datagram[6] = static_cast<std::uint8_t>(checksum.finish() >> 8);
    datagram[7] = static_cast<std::uint8_t>(checksum.finish());
  }
  Packet packet = testing::ip_packet({family.peer, family.us, Protocol::udp}, datagram);
  return is_valid_udp(*testing::parse_ip(packet));
}

TEST(Udp, LengthAndChecksum) {
  const Packet good = {1, 0, 2, 0, 0, 9, 0, 0, 42};
  EXPECT_TRUE(valid_udp(v4, good, true));
  EXPECT_TRUE(valid_udp(v6, good, true));
  EXPECT_TRUE(valid_udp(v4, good, false));   // IPv4 may go without
  EXPECT_FALSE(valid_udp(v6, good, false));  // RFC 8200, 8.1
  EXPECT_FALSE(valid_udp(v4, {1, 0, 2, 0, 0, 10, 0, 0, 42}, false));
  EXPECT_FALSE(valid_udp(v4, {1, 0, 2, 0, 0, 7, 0, 0, 42}, false));
  EXPECT_FALSE(valid_udp(v4, {1, 0, 2, 0, 0, 8, 0}, false));
  EXPECT_FALSE(valid_udp(v4, {1, 0, 2, 0, 0, 9, 1, 1, 42}, false));
}

constexpr MacAddress mac{{2, 0, 0, 0, 0, 1}};

struct Neighbour {
  IpAddress source = ip("fe80::2");
  IpAddress destination = ip("fe80::1");
  NeighbourMessage message{false, false, false, ip("fe80::1"), mac};
  std::uint8_t hop_limit = neighbour_hop_limit;
  std::uint8_t code = 0;
  Packet options;  // behind what the message has
};

std::expected<NeighbourMessage, Drop> reread(const Neighbour& neighbour) {
  Packet bytes(neighbour_size(neighbour.message));
  write_neighbour(bytes, neighbour.source, neighbour.destination, neighbour.message);
  bytes.insert(bytes.end(), neighbour.options.begin(), neighbour.options.end());
  IpOut header{neighbour.source, neighbour.destination, Protocol::icmp_v6};
  header.hop_limit = neighbour.hop_limit;
  Packet packet = testing::ip_packet(header, bytes);
  const auto parsed = testing::parse_ip(packet);
  IcmpMessage message;
  message.type = bytes[0];
  message.code = neighbour.code;
  message.rest = static_cast<std::uint32_t>(bytes[4]) << 24;
  message.body = parsed->payload.subspan(icmp_header_size);
  return parse_neighbour(*parsed, message);
}

TEST(NeighbourDiscovery, WrittenAndRead) {
  for (const bool advertisement : {false, true}) {
    Neighbour neighbour;
    neighbour.message.is_advertisement = advertisement;
    neighbour.message.solicited = neighbour.message.override = advertisement;
    const auto read = reread(neighbour);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->is_advertisement, advertisement);
    EXPECT_EQ(read->solicited, advertisement);
    EXPECT_EQ(read->override, advertisement);
    EXPECT_EQ(read->target, ip("fe80::1"));
    EXPECT_EQ(read->link, mac);
  }
}

// RFC 4861, 7.1.1 and 7.1.2.
TEST(NeighbourDiscovery, RefusesWhatMayHaveComeFromFarAway) {
  Neighbour neighbour;
  neighbour.hop_limit = 254;
  EXPECT_EQ(reread(neighbour).error(), Drop::bad_neighbour);
}

TEST(NeighbourDiscovery, RefusesCodeAndGroupTargets) {
  Neighbour neighbour;
  neighbour.code = 1;
  EXPECT_FALSE(reread(neighbour));
  neighbour = {};
  neighbour.message.target = ip("ff02::1");
  EXPECT_FALSE(reread(neighbour));
}

TEST(NeighbourDiscovery, OptionsAreChecked) {
  const auto with = [](Packet options) {
    Neighbour neighbour;
    neighbour.options = std::move(options);
    return reread(neighbour).has_value();
  };
  EXPECT_TRUE(with({}));
  EXPECT_TRUE(with({14, 1, 1, 2, 3, 4, 5, 6}));   // a nonce (RFC 3971) is skipped
  EXPECT_FALSE(with({14, 0, 1, 2, 3, 4, 5, 6}));  // no length
  EXPECT_FALSE(with({14, 2, 1, 2, 3, 4, 5, 6}));  // past the end
  EXPECT_FALSE(with({14}));
  EXPECT_FALSE(with({1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));  // a group is no neighbour
}

TEST(NeighbourDiscovery, ProbesForDuplicatesGoToTheGroupWithoutLinkAddress) {
  Neighbour probe;
  probe.source = IpAddress{};
  probe.destination = solicited_node_group(probe.message.target);
  EXPECT_FALSE(reread(probe));
  probe.message.link.reset();
  EXPECT_TRUE(reread(probe));
  probe.destination = ip("fe80::1");
  EXPECT_FALSE(reread(probe));
}

TEST(NeighbourDiscovery, AnswersToAQuestionGoToOne) {
  Neighbour neighbour;
  neighbour.message.is_advertisement = neighbour.message.solicited = true;
  neighbour.destination = all_nodes;
  EXPECT_FALSE(reread(neighbour));
  neighbour.message.solicited = false;
  EXPECT_TRUE(reread(neighbour));
}

TEST(NeighbourDiscovery, SolicitedNodeGroup) {
  EXPECT_EQ(solicited_node_group(ip("2001:db8::1:203:405")), ip("ff02::1:ff03:405"));
}

}  // namespace
}  // namespace godwit::dataplane::tcp
