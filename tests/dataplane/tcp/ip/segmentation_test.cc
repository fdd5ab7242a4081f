// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/wire/cut_segments.h"
#include "tests/dataplane/tcp/card.h"
#include "tests/dataplane/tcp/ip/network_fixture.h"

// Packets that the port is to cut, and what happens where it cannot: what a card makes of them is
// compared with the packets that the layer makes itself.

namespace godwit::dataplane::tcp::testing {
namespace {

constexpr std::uint16_t segment_size = 1000;
constexpr std::size_t payload_bytes = 3 * segment_size + 77;

class CuttingTest : public NetworkTest {
 protected:
  void SetUp() override {
    port.offers = everything;
    NetworkTest::SetUp();
    know_neighbours();
  }
  void with(const PortFeatures& features) {
    port.offers = features;
    make();
    know_neighbours();
  }
  void send_large(const IpAddress& to, std::size_t size = payload_bytes,
                  std::uint16_t each = segment_size) {
    payload.resize(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    // In pieces, of which the first ends within the second segment.
    const Bytes all(payload);
    const Bytes pieces[] = {all.first(segment_size + 3), all.subspan(segment_size + 3)};
    SegmentOut segment{{to.is_v4() ? us : us6, to, 80, 5000}, 0xfffffc00, 9, 512, flags};
    segment.ecn = Ecn::capable_0;
    segment.options.timestamps = Timestamps{77, 88};
    segment.payload = pieces;
    segment.segment_size = each;
    layer->transmit(segment);
  }
  // All that leaves the card, as the segments it holds; wrong checksums are failures.
  struct Seen {
    std::uint32_t seq;
    std::uint8_t flags;
    Packet payload;
  };
  std::vector<Seen> on_the_wire() {
    std::vector<Seen> seen;
    for (const auto& sent : std::exchange(port.sent, {})) {
      for (Frame& frame : Card::send(sent.frame, sent.hints)) {
        const auto header = parse_ethernet(frame);
        EXPECT_EQ(header->destination, peer_mac);
        const auto packet = parse_ip(MutableBytes(frame).subspan(header->size()));
        EXPECT_TRUE(packet);
        if (!packet) continue;
        EXPECT_EQ(packet->ecn, Ecn::capable_0);
        EXPECT_LE(packet->whole.size(), settings.mtu);
        const auto segment = parse_tcp(*packet, false);
        EXPECT_TRUE(segment);
        if (!segment) continue;
        EXPECT_EQ(segment->ack, 9u);
        EXPECT_EQ(segment->window, 512);
        EXPECT_EQ(segment->options.timestamps->value, 77u);
        seen.push_back({segment->seq, segment->flags,
                        Packet(segment->payload.begin(), segment->payload.end())});
      }
    }
    return seen;
  }
  void expect_all_segments() {
    const auto seen = on_the_wire();
    ASSERT_EQ(seen.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t at = i * segment_size;
      EXPECT_EQ(seen[i].seq, 0xfffffc00 + static_cast<std::uint32_t>(at));
      const bool last = i == 3;
      EXPECT_EQ(seen[i].flags, last ? flags : std::uint8_t{Flags::ack});
      const auto begin = payload.begin() + static_cast<std::ptrdiff_t>(at);
      const std::size_t size = last ? 77 : segment_size;
      EXPECT_EQ(seen[i].payload, Packet(begin, begin + static_cast<std::ptrdiff_t>(size)));
    }
  }

  static constexpr PortFeatures everything{
      true, true, {.v4 = uncut_bytes_max, .v6 = uncut_bytes_max}};
  static constexpr std::uint8_t flags = Flags::ack | Flags::psh | Flags::fin;
  Packet payload;
};

TEST_F(CuttingTest, APacketLeavesWholeAndTheCardCutsIt) {
  for (const IpAddress& to : {peer, peer6}) {
    send_large(to);
    ASSERT_EQ(port.sent.size(), 1u);
    const TxHints hints = port.sent.front().hints;
    EXPECT_EQ(hints.link_size, 14);
    EXPECT_EQ(hints.ip_size, to.is_v4() ? 20 : 40);
    EXPECT_EQ(hints.tcp_size, 32);
    EXPECT_EQ(hints.segment_size, segment_size);
    EXPECT_EQ(hints.ip_checksum, to.is_v4());
    EXPECT_TRUE(hints.tcp_checksum);
    EXPECT_EQ(port.sent.front().frame.size(), 14 + hints.ip_size + 32 + payload_bytes);
    expect_all_segments();
  }
}

TEST_F(CuttingTest, IdentificationsOfWhatIsCutDiffer) {
  send_large(peer);
  const auto frames = Card::send(port.sent.front().frame, port.sent.front().hints);
  for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i][14 + 5], i);
}

TEST_F(CuttingTest, WhatThePortDoesNotCutIsCutHere) {
  PortFeatures only_v6 = everything;
  only_v6.segmentation.v4 = 0;
  with(only_v6);
  send_large(peer);
  EXPECT_EQ(port.sent.size(), 4u);
  expect_all_segments();
  send_large(peer6);
  EXPECT_EQ(port.sent.size(), 1u);
  expect_all_segments();
  with({});
  EXPECT_FALSE(layer->segmentation().any());
  send_large(peer6);
  EXPECT_EQ(port.sent.size(), 4u);
  expect_all_segments();
}

TEST_F(CuttingTest, TheLargestPacketIsKeptAtBelowAndAbove) {
  const std::uint32_t size = 20 + 32 + payload_bytes;
  for (const std::uint32_t most : {size - 1, size, size + 1}) {
    PortFeatures features = everything;
    features.segmentation.v4 = most;
    with(features);
    send_large(peer);
    EXPECT_EQ(port.sent.size(), most < size ? 4u : 1u);
    expect_all_segments();
  }
}

TEST_F(CuttingTest, ThePacketsItMakesAreKeptAtBelowAndAbove) {
  const std::uint32_t each = 20 + 32 + segment_size;
  for (const std::uint32_t most : {each - 1, each, each + 1}) {
    PortFeatures features = everything;
    features.segmentation.packet_max = most;
    with(features);
    send_large(peer);
    EXPECT_EQ(port.sent.size(), most < each ? 4u : 1u);
    expect_all_segments();
  }
}

TEST_F(CuttingTest, NoSegmentIsLargerThanTheLinkCarries) {
  send_large(peer, 3 * 1448, 1448);
  EXPECT_EQ(port.sent.size(), 1u);
  port.sent.clear();
  send_large(peer, 3 * 1449, 1449);
  EXPECT_TRUE(port.sent.empty());
  EXPECT_EQ(dropped(Drop::too_long), 3u);
}

TEST_F(CuttingTest, WithATagItIsCutHere) {
  settings.vlan = 7;
  with(everything);
  EXPECT_FALSE(layer->segmentation().any());
  send_large(peer);
  EXPECT_EQ(port.sent.size(), 4u);
  expect_all_segments();
}

TEST_F(CuttingTest, WithoutMemoryForTheWholeItIsCutHere) {
  port.appends = false;
  send_large(peer);
  EXPECT_EQ(port.sent.size(), 4u);
  expect_all_segments();
  EXPECT_EQ(dropped(Drop::no_frame), 0u);
}

TEST_F(CuttingTest, AFullPortLosesItAndCounts) {
  port.full = true;
  send_large(peer);
  EXPECT_TRUE(port.sent.empty());
  EXPECT_EQ(dropped(Drop::no_frame), 1u);
}

TEST_F(CuttingTest, WhatWaitsForANeighbourWaitsInSinglePackets) {
  make();
  port.sent.clear();
  send_large(peer);
  port.sent.clear();  // the question
  arp_reply(peer, peer_mac);
  EXPECT_EQ(port.sent.size(), 4u);
  for (const auto& sent : port.sent) EXPECT_EQ(sent.hints.segment_size, 0);
  expect_all_segments();
  send_large(peer);
  EXPECT_EQ(port.sent.size(), 1u);
}

// Of a device that puts together what came (LRO), though nobody asked it to.
TEST_F(CuttingTest, WhatComesLargerThanTheLinkCarriesIsTakenWhole) {
  const Packet bytes(20'000, 0x55);
  const Bytes pieces[] = {bytes};
  SegmentOut segment{{peer, us, 5000, 80}, 1, 0, 0, Flags::ack};
  segment.payload = pieces;
  Packet packet(20 + tcp_size(segment));
  write_ip(packet, {peer, us, Protocol::tcp, tcp_size(segment)});
  write_tcp(MutableBytes(packet).subspan(20), segment, ChecksumBy::us);
  const auto received = receive_ip(packet);
  ASSERT_TRUE(std::holds_alternative<SegmentIn>(received));
  EXPECT_EQ(std::get<SegmentIn>(received).payload.size(), bytes.size());
}

TEST_F(CuttingTest, BytesAreCountedAsTheyWereHandedOver) {
  const std::uint64_t before = layer->counters().bytes_out;
  send_large(peer);
  EXPECT_EQ(layer->counters().bytes_out - before, 14 + 20 + 32 + payload_bytes);
}

}  // namespace
}  // namespace godwit::dataplane::tcp::testing
