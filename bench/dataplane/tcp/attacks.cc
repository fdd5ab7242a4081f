// SPDX-License-Identifier: Apache-2.0
#include "bench/dataplane/tcp/attacks.h"

#include <algorithm>
#include <vector>

#include "bench/dataplane/tcp/pair.h"
#include "bench/dataplane/tcp/resident.h"
#include "dataplane/tcp/wire/ip.h"
#include "dataplane/tcp/wire/tcp_header.h"

namespace godwit::bench {

namespace {

constexpr std::uint32_t good_clients = 1000;
constexpr std::uint32_t good_in_turn = 64;
constexpr std::uint32_t bad_in_turn = 192;
constexpr std::uint32_t turns = 4000;

void send(Pair& pair, const tcp::SegmentOut& segment) {
  const std::size_t ip_size = tcp::ip_header_size(true);
  const std::size_t size = tcp::tcp_size(segment);
  const MutableBytes frame = pair.foreign_frame(tcp::ethernet_header_size + ip_size + size);
  GODWIT_CHECK(!frame.empty());
  tcp::write_ethernet(frame, {.destination = Pair::server_mac(),
                              .source = Pair::client_mac(),
                              .vlan = {},
                              .type = tcp::EtherType::ipv4});
  const MutableBytes packet = frame.subspan(tcp::ethernet_header_size);
  tcp::write_ip(packet, {.source = segment.flow.local,
                         .destination = segment.flow.remote,
                         .protocol = tcp::Protocol::tcp,
                         .payload_size = size});
  tcp::write_tcp(packet.subspan(ip_size), segment, tcp::ChecksumBy::us);
  pair.send_foreign();
}

tcp::SegmentOut packet_of(Attack attack, RandomSource& random, std::span<const Bytes> payload) {
  const std::uint64_t dice = random.next_u64();
  tcp::SegmentOut segment;
  segment.seq = static_cast<std::uint32_t>(dice);
  segment.window = 64'000;
  // One that is there, at a place that had to be guessed.
  segment.flow = Pair::flow_of(static_cast<std::uint32_t>(random.below(good_clients)), false);
  if (attack == Attack::reset_injection) {
    segment.flags = tcp::Flags::rst;
    return segment;
  }
  if (attack == Attack::data_injection) {
    segment.flags = tcp::Flags::ack | tcp::Flags::psh;
    segment.ack = static_cast<std::uint32_t>(dice >> 32);
    segment.payload = payload;
    return segment;
  }
  segment.flags = tcp::Flags::syn;
  segment.options.mss = 1460;
  segment.flow.local = IpAddress::v4({10, static_cast<std::uint8_t>(dice >> 32),
                                      static_cast<std::uint8_t>(dice >> 40),
                                      static_cast<std::uint8_t>(1 + (dice >> 48) % 254)});
  segment.flow.local_port = static_cast<std::uint16_t>(1024 + random.below(60'000));
  if (attack == Attack::port_scan) {
    segment.flow.remote_port = static_cast<std::uint16_t>(8000 + random.below(50'000));
  }
  return segment;
}

ServerCost rounds(Pair& pair, bool under_attack, Attack attack, Bytes message) {
  SeededRandom random(7);
  pair.take_cost();
  for (std::uint32_t turn = 0; turn < turns; ++turn) {
    for (std::uint32_t i = 0; under_attack && i < bad_in_turn; ++i) {
      send(pair, packet_of(attack, random, {&message, 1}));
    }
    pair.exchange(turn * good_in_turn, good_in_turn, message);
  }
  return pair.take_cost();
}

}  // namespace

const char* name_of(Attack attack) {
  switch (attack) {
    case Attack::syn_flood:
      return "syn flood";
    case Attack::reset_injection:
      return "resets";
    case Attack::data_injection:
      return "data";
    case Attack::port_scan:
      return "port scan";
  }
  return "";
}

AttackResult run_attack(Attack attack) {
  Pair pair({.connections = good_clients});
  pair.open_all();
  const std::vector<std::uint8_t> bytes(150, 'm');
  const ServerCost calm = rounds(pair, false, attack, bytes);
  const double resident = resident_bytes();
  const auto counted = static_cast<double>(pair.server().memory_bytes());
  const std::uint64_t replies = pair.client_events().replies;
  const ServerCost attacked = rounds(pair, true, attack, bytes);
  pair.turn();
  const double packets = double{turns} * bad_in_turn;
  const auto frames_out = static_cast<double>(attacked.frames_out);
  return {.ns = (attacked.total_ns() - calm.total_ns()) / packets,
          .answers = (frames_out - static_cast<double>(calm.frames_out)) / packets,
          .resident_growth = resident_bytes() - resident,
          .counted_growth = static_cast<double>(pair.server().memory_bytes()) - counted,
          .replies = pair.client_events().replies - replies,
          .replies_due = std::uint64_t{turns} * good_in_turn,
          .connections = good_clients,
          .connections_left = pair.server().open_connections()};
}

}  // namespace godwit::bench
