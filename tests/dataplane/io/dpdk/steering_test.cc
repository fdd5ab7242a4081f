// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/steering.h"

#include <gtest/gtest.h>

#include <vector>

#include "dataplane/tcp/wire/arp.h"
#include "dataplane/tcp/wire/ethernet.h"
#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/neighbour_discovery.h"
#include "dataplane/tcp/wire/tcp_header.h"

// Which shard a frame is for, by what it is.

namespace godwit::dataplane::io::dpdk {

namespace {

const IpAddress ours_v4 = IpAddress::v4({192, 0, 2, 2});
const IpAddress theirs_v4 = IpAddress::v4({192, 0, 2, 1});
const IpAddress ours_v6 = *parse_ip_address("2001:db8::2");
const IpAddress theirs_v6 = *parse_ip_address("2001:db8::1");

std::vector<std::uint8_t> ethernet(tcp::EtherType type, std::size_t size,
                                   std::optional<std::uint16_t> vlan = std::nullopt) {
  const tcp::EthernetHeader header{.destination = tcp::broadcast_mac,
                                   .source = {{2, 0, 0, 0, 0, 1}},
                                   .vlan = vlan,
                                   .type = type};
  std::vector<std::uint8_t> frame(header.size() + size);
  tcp::write_ethernet(frame, header);
  return frame;
}

std::vector<std::uint8_t> ip_frame(bool v4, tcp::Protocol protocol,
                                   const std::vector<std::uint8_t>& payload,
                                   std::optional<std::uint16_t> vlan = std::nullopt) {
  const std::size_t head = tcp::ip_header_size(v4);
  auto frame =
      ethernet(v4 ? tcp::EtherType::ipv4 : tcp::EtherType::ipv6, head + payload.size(), vlan);
  const std::size_t link = frame.size() - head - payload.size();
  tcp::write_ip(MutableBytes(frame).subspan(link), {.source = v4 ? theirs_v4 : theirs_v6,
                                                    .destination = v4 ? ours_v4 : ours_v6,
                                                    .protocol = protocol,
                                                    .payload_size = payload.size()});
  std::ranges::copy(payload, frame.end() - static_cast<std::ptrdiff_t>(payload.size()));
  return frame;
}

std::vector<std::uint8_t> segment(std::uint16_t from, std::uint16_t to) {
  std::vector<std::uint8_t> bytes(20);
  ByteWriter writer(bytes);
  writer.u16(from);
  writer.u16(to);
  return bytes;
}

class Frames : public testing::Test {
 protected:
  static constexpr std::uint16_t shards = 4;
  SeededRandom random_{7};
  Steering by_hash_{{.shards = shards, .by_hash = true}, random_};
  Steering by_hardware_{{.shards = shards, .by_hash = false}, random_};
};

TEST_F(Frames, AConnectionHasOneOwnerWhoeverReceives) {
  std::array<int, shards> owned{};
  for (const bool v4 : {true, false}) {
    for (std::uint16_t port = 1; port <= 400; ++port) {
      auto frame = ip_frame(v4, tcp::Protocol::tcp, segment(port, 5210));
      const std::uint16_t owner = by_hash_.owner_of(frame, 0);
      ASSERT_LT(owner, shards);
      ++owned[owner];
      EXPECT_EQ(by_hash_.owner_of(frame, 3), owner);
      EXPECT_EQ(by_hash_.owner_of({.local = v4 ? ours_v4 : ours_v6,
                                   .remote = v4 ? theirs_v4 : theirs_v6,
                                   .local_port = 5210,
                                   .remote_port = port}),
                owner);
      auto tagged = ip_frame(v4, tcp::Protocol::tcp, segment(port, 5210), 12);
      EXPECT_EQ(by_hash_.owner_of(tagged, 0), owner);
    }
  }
  for (const int count : owned) EXPECT_GT(count, 100) << "800 connections, a quarter each";
}

TEST_F(Frames, WhereTheHardwareSteersAConnectionStaysWhereItCame) {
  auto frame = ip_frame(true, tcp::Protocol::tcp, segment(1000, 5210));
  for (std::uint16_t receiver = 0; receiver < shards; ++receiver) {
    EXPECT_EQ(by_hardware_.owner_of(frame, receiver), receiver);
  }
}

TEST_F(Frames, AConnectionThatWeOpenedIsByHashWhoeverReceives) {
  constexpr std::uint16_t first = Steering::dial_port_first;
  constexpr std::uint16_t last = Steering::dial_port_last;
  std::array<int, shards> owned{};
  for (std::uint16_t port = first; port < first + 400; ++port) {
    auto frame = ip_frame(true, tcp::Protocol::tcp, segment(443, port));
    const std::uint16_t owner = by_hardware_.owner_of(
        {.local = ours_v4, .remote = theirs_v4, .local_port = port, .remote_port = 443});
    for (std::uint16_t receiver = 0; receiver < shards; ++receiver) {
      EXPECT_EQ(by_hardware_.owner_of(frame, receiver), owner);
    }
    ++owned[owner];
  }
  for (const int count : owned) EXPECT_GT(count, 50) << "400 ports, a quarter each";
  const auto stays = [](const Steering& steering, std::uint16_t port) {
    for (std::uint16_t from = 1; from <= 40; ++from) {
      auto frame = ip_frame(true, tcp::Protocol::tcp, segment(from, port));
      for (std::uint16_t receiver = 0; receiver < shards; ++receiver) {
        if (steering.owner_of(frame, receiver) != receiver) return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(stays(by_hardware_, first - 1));
  EXPECT_FALSE(stays(by_hardware_, first));
  EXPECT_FALSE(stays(by_hardware_, last));
  EXPECT_TRUE(stays(by_hardware_, last + 1));
  const Steering listens({.shards = shards, .by_hash = false, .listening = first}, random_);
  EXPECT_TRUE(stays(listens, first));
  EXPECT_FALSE(stays(listens, first + 1));
}

TEST_F(Frames, QuestionsAreTheFirstShardsAnswersAreForAll) {
  for (const auto operation : {tcp::Arp::Operation::request, tcp::Arp::Operation::reply}) {
    auto frame = ethernet(tcp::EtherType::arp, tcp::arp_size);
    tcp::write_arp(MutableBytes(frame).subspan(14), {.operation = operation,
                                                     .sender_mac = {{2, 0, 0, 0, 0, 1}},
                                                     .sender = theirs_v4,
                                                     .target = ours_v4});
    EXPECT_EQ(by_hash_.owner_of(frame, 2),
              operation == tcp::Arp::Operation::request ? 0 : Steering::everyone);
  }
  const auto icmp = [&](bool v4, std::uint8_t type) {
    auto frame = ip_frame(v4, v4 ? tcp::Protocol::icmp : tcp::Protocol::icmp_v6,
                          {type, 0, 0, 0, 0, 0, 0, 0});
    return by_hash_.owner_of(frame, 2);
  };
  EXPECT_EQ(icmp(true, tcp::v4_echo), 0);
  EXPECT_EQ(icmp(false, tcp::v6_echo), 0);
  EXPECT_EQ(icmp(false, tcp::v6_neighbour_solicitation), 0);
  EXPECT_EQ(icmp(true, tcp::v4_unreachable), Steering::everyone);
  EXPECT_EQ(icmp(false, tcp::v6_too_big), Steering::everyone);
  EXPECT_EQ(icmp(false, tcp::v6_neighbour_advertisement), Steering::everyone);
}

TEST_F(Frames, WhatIsMalformedIsTheFirstShardsToCount) {
  std::vector<std::uint8_t> nothing;
  EXPECT_EQ(by_hash_.owner_of(nothing, 2), 0);
  for (const auto type : {tcp::EtherType::arp, tcp::EtherType::ipv4, tcp::EtherType::ipv6}) {
    auto cut = ethernet(type, 3);
    EXPECT_EQ(by_hash_.owner_of(cut, 2), type == tcp::EtherType::arp ? Steering::everyone : 0);
  }
  auto short_segment = ip_frame(true, tcp::Protocol::tcp, {1, 2});
  EXPECT_LT(by_hash_.owner_of(short_segment, 2), shards);
  auto empty_icmp = ip_frame(true, tcp::Protocol::icmp, {});
  EXPECT_EQ(by_hash_.owner_of(empty_icmp, 2), 0);
  auto udp = ip_frame(true, tcp::Protocol::udp, segment(1, 2));
  EXPECT_EQ(by_hash_.owner_of(udp, 2), 0);
}

}  // namespace

}  // namespace godwit::dataplane::io::dpdk
