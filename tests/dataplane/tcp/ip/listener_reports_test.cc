// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/listener_reports.h"

#include "tests/dataplane/tcp/ip/network_fixture.h"

// RFC 3810 and 2710: a switch that forwards groups only to listeners hears of ours.

namespace godwit::dataplane::tcp {
namespace {

using namespace testing;

struct Told {
  IpAddress source;
  IpAddress destination;
  std::uint8_t type = 0;
  std::vector<std::pair<std::uint8_t, IpAddress>> records;  // of version 2: kind and group
};

class ListenerTest : public NetworkTest {
 protected:
  const IpAddress router = ip("fe80::99");
  const IpAddress third = ip("2001:db8::ab:cdef");
  const IpAddress link_local = link_local_address(our_mac);

  void SetUp() override {
    NetworkTest::SetUp();
    settings.listener_reports = true;
    settings.addresses.push_back(*parse_ip_prefix("2001:db8::ab:cdef/64"));
    make();
  }
  // The next report among what was sent, all else passed over.
  std::optional<Told> take_report() {
    while (!port.sent.empty()) {
      const auto header = sent_header();
      if (header->type != EtherType::ipv6) {
        port.take();
        continue;
      }
      const auto packet = take_ip();
      if (!packet || !packet->router_alert) continue;
      EXPECT_EQ(packet->hop_limit, 1);
      EXPECT_EQ(header->destination, multicast_mac(packet->destination));
      const auto message = parse_icmp(*packet);  // with the checksum looked at
      EXPECT_TRUE(message);
      if (!message) return std::nullopt;
      return read(*packet, *message);
    }
    return std::nullopt;
  }
  static Told read(const IpPacket& packet, const IcmpMessage& message) {
    Told told{packet.source, packet.destination, message.type, {}};
    ByteReader in(message.body);
    if (message.type == v6_listener_report) {
      EXPECT_EQ(message.body.size(), message.rest * 20);
      while (!in.at_end() && in.ok()) {
        const std::uint8_t kind = in.u8();
        EXPECT_EQ(in.u8() + in.u16(), 0);
        told.records.push_back({kind, {}});
        std::ranges::copy(in.take(16), told.records.back().second.bytes.begin());
      }
    } else {
      told.records.push_back({0, {}});
      std::ranges::copy(in.take(16), told.records.back().second.bytes.begin());
    }
    return told;
  }
  struct Query {
    IpAddress source;
    IpAddress group{};
    std::uint16_t code = 1000;
    std::size_t size = 20;  // 16: version 1
    std::uint8_t hop_limit = 1;
    bool alert = true;
  };
  void query(const Query& asked) {
    Packet body(asked.size);
    std::ranges::copy(asked.group.bytes, body.begin());
    const IpAddress to = asked.group.known() ? asked.group : all_nodes;
    const std::size_t alert = asked.alert ? 8 : 0;
    Packet payload(alert + icmp_header_size + body.size());
    if (asked.alert) payload = {58, 0, 5, 2, 0, 0, 1, 0};
    payload.resize(alert + icmp_header_size + body.size());
    write_icmp(MutableBytes(payload).subspan(alert), asked.source, to,
               {v6_listener_query, 0, std::uint32_t{asked.code} << 16, body});
    IpOut header{asked.source, to, asked.alert ? Protocol::hop_by_hop : Protocol::icmp_v6};
    header.hop_limit = asked.hop_limit;
    receive(frame(multicast_mac(to), EtherType::ipv6, ip_packet(header, payload)));
  }
  void started() {
    layer->start(now);
    advance(std::chrono::seconds(5));
    port.sent.clear();
  }
};

TEST_F(ListenerTest, StartTellsOfEveryGroupTwice) {  // RFC 3810, 6.1
  layer->start(now);
  const auto first = take_report();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->source, link_local);
  EXPECT_EQ(first->destination, ip("ff02::16"));
  EXPECT_EQ(first->type, 143);
  const std::vector<std::pair<std::uint8_t, IpAddress>> groups = {
      {4, solicited_node_group(us6)}, {4, solicited_node_group(third)}};  // the link-local's is one
  EXPECT_TRUE(std::ranges::is_permutation(first->records, groups));
  EXPECT_FALSE(take_report());
  advance(std::chrono::milliseconds(1001));
  const auto second = take_report();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->records, first->records);
  advance(std::chrono::minutes(10));
  EXPECT_FALSE(take_report());
  EXPECT_EQ(layer->counters().listener_reports_sent, 2u);
}

TEST_F(ListenerTest, WhileAddressesAreCheckedReportsComeFromNobody) {  // RFC 3810, 5.2.13
  settings.detect_duplicates = true;
  make();
  layer->start(now);
  // Before the first question, so that a switch passes it (RFC 4862, 5.4.2).
  ASSERT_FALSE(port.sent.empty());
  const auto first = take_report();
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->source.known());
  advance(std::chrono::milliseconds(1001));
  port.sent.clear();
  query({.source = router});
  advance(std::chrono::milliseconds(1001));
  EXPECT_EQ(take_report()->source, link_local);
}

TEST_F(ListenerTest, AQueryIsAnsweredWithinItsTime) {  // RFC 3810, 6.2
  started();
  query({.source = router, .code = 10'000});
  EXPECT_FALSE(take_report());
  const Instant asked = now;
  const Instant due = layer->next_deadline();
  EXPECT_LE(due, asked + std::chrono::seconds(10));
  advance(due - now);
  const auto answer = take_report();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->records.size(), 2u);
  EXPECT_EQ(answer->records[0].first, 2);
  advance(std::chrono::minutes(2));
  EXPECT_FALSE(take_report());
}

TEST_F(ListenerTest, QueriesBeforeAnAnswerGetOneAnswer) {
  started();
  for (int i = 0; i < 50; ++i) query({.source = router, .code = 1000});
  advance(std::chrono::seconds(2));
  EXPECT_TRUE(take_report());
  EXPECT_FALSE(take_report());
}

TEST_F(ListenerTest, AQueryAboutAGroupOfOursIsAnsweredAndAboutAnotherNot) {
  started();
  query({.source = router, .group = ip("ff02::1:ff99:9999")});
  advance(std::chrono::seconds(2));
  EXPECT_FALSE(take_report());
  query({.source = router, .group = solicited_node_group(us6)});
  advance(std::chrono::seconds(2));
  EXPECT_TRUE(take_report());
}

TEST_F(ListenerTest, ARouterOfVersionOneIsToldInItsWords) {  // RFC 3810, 8.2.1; RFC 2710, 4
  started();
  query({.source = router, .size = 16});
  advance(std::chrono::seconds(2));
  for (int i = 0; i < 2; ++i) {
    const auto told = take_report();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type, 131);
    EXPECT_EQ(told->destination, told->records[0].second);
  }
  EXPECT_FALSE(take_report());
  query({.source = router});  // for a while yet, whoever asks
  advance(std::chrono::seconds(2));
  EXPECT_EQ(take_report()->type, 131);
  advance(std::chrono::seconds(261));
  port.sent.clear();
  query({.source = router});
  advance(std::chrono::seconds(2));
  EXPECT_EQ(take_report()->type, 143);
}

TEST_F(ListenerTest, WhatMayComeFromAnotherLinkIsIgnored) {  // RFC 3810, 5.1.14
  started();
  const std::uint64_t before = dropped(Drop::bad_neighbour);
  query({.source = peer6});
  query({.source = router, .hop_limit = 2});
  query({.source = router, .alert = false});
  query({.source = router, .size = 19});
  query({.source = router, .size = 15});
  EXPECT_EQ(dropped(Drop::bad_neighbour), before + 5);
  advance(std::chrono::minutes(2));
  EXPECT_FALSE(take_report());
}

TEST_F(ListenerTest, LargeDelaysHaveAnExponentAndABound) {  // RFC 3810, 5.1.3
  started();
  query({.source = router, .code = 0x8000});  // 0x1000 << 3: 32.768 s
  EXPECT_LE(layer->next_deadline(), now + std::chrono::milliseconds(32'768));
  advance(std::chrono::seconds(33));
  EXPECT_TRUE(take_report());
  query({.source = router, .code = 0xffff});  // hours
  EXPECT_LE(layer->next_deadline(), now + std::chrono::minutes(1));
}

TEST_F(ListenerTest, WithoutIpv6ThereIsNothingToTell) {
  settings.addresses.resize(1);
  settings.routes.pop_back();
  make();
  layer->start(now);
  advance(std::chrono::seconds(5));
  EXPECT_EQ(layer->counters().listener_reports_sent, 0u);
}

}  // namespace
}  // namespace godwit::dataplane::tcp
