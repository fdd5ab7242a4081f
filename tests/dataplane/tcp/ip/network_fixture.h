// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/random.h"
#include "dataplane/tcp/ip/ip_layer.h"
#include "dataplane/tcp/wire/tcp_header.h"
#include "tests/dataplane/tcp/ip/recording_port.h"
#include "tests/dataplane/tcp/wire/packets.h"

// An IP layer on an Ethernet of which the test is every other station.

namespace godwit::dataplane::tcp::testing {

inline constexpr MacAddress our_mac{{2, 0, 0, 0, 0, 1}};
inline constexpr MacAddress peer_mac{{2, 0, 0, 0, 0, 2}};
inline constexpr MacAddress gateway_mac{{2, 0, 0, 0, 0, 3}};
inline constexpr MacAddress stranger_mac{{2, 0, 0, 0, 0, 4}};

class NetworkTest : public ::testing::Test {
 protected:
  const IpAddress us = ip("192.0.2.1");
  const IpAddress peer = ip("192.0.2.2");
  const IpAddress far = ip("198.51.100.1");
  const IpAddress us6 = ip("2001:db8::1");
  const IpAddress peer6 = ip("2001:db8::2");
  const IpAddress far6 = ip("2001:db8:1::1");

  void SetUp() override {
    settings.mac = our_mac;
    settings.listener_reports = false;  // listener_reports_test.cc has them
    settings.addresses = {*parse_ip_prefix("192.0.2.1/24"), *parse_ip_prefix("2001:db8::1/64")};
    settings.addresses[0].address = us;
    settings.routes = {{*parse_ip_prefix("0.0.0.0/0"), ip("192.0.2.254")},
                       {*parse_ip_prefix("::/0"), ip("2001:db8::ff")}};
    make();
  }
  void make() {
    layer = std::make_unique<IpLayer>(settings, PortView(port), random);
    layer->expire(now);
  }

  Packet frame(const MacAddress& to, EtherType type, Bytes packet,
               const MacAddress& from = peer_mac) const {
    const EthernetHeader header{to, from, settings.vlan, type};
    Packet bytes(header.size());
    write_ethernet(bytes, header);
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    return bytes;
  }
  IpLayer::Received receive(Packet bytes) {
    last_frame = std::move(bytes);
    return layer->receive(last_frame, {}, now);
  }
  IpLayer::Received receive_ip(Bytes packet) {
    const auto type = packet[0] >> 4 == 4 ? EtherType::ipv4 : EtherType::ipv6;
    return receive(frame(our_mac, type, packet));
  }
  void receive_arp(const Arp& arp, const MacAddress& to = our_mac) {
    Packet bytes(arp_size);
    write_arp(bytes, arp);
    receive(frame(to, EtherType::arp, bytes, arp.sender_mac));
  }
  void arp_reply(const IpAddress& address, const MacAddress& mac) {
    receive_arp({Arp::Operation::reply, mac, address, our_mac, us});
  }
  void receive_neighbour(const IpAddress& from, const IpAddress& to, NeighbourMessage message) {
    Packet bytes(neighbour_size(message));
    write_neighbour(bytes, from, to, message);
    IpOut header{from, to, Protocol::icmp_v6};
    header.hop_limit = neighbour_hop_limit;
    const MacAddress mac = is_multicast(to) ? multicast_mac(to) : our_mac;
    receive(frame(mac, EtherType::ipv6, ip_packet(header, bytes)));
  }
  // What the stations of the link say when asked, without frames left over.
  void know_neighbours() {
    send_segment(peer);
    arp_reply(peer, peer_mac);
    send_segment(peer6);
    receive_neighbour(peer6, us6, {true, true, true, peer6, peer_mac});
    port.sent.clear();
  }
  void send_segment(const IpAddress& to, std::size_t size = 4) {
    const Packet payload(size, 0x55);
    const Bytes pieces[] = {payload};
    SegmentOut segment{{to.is_v4() ? us : us6, to, 80, 5000}, 1, 0, 0, Flags::ack};
    segment.payload = pieces;
    layer->transmit(segment);
  }
  void advance(Duration by) {
    now += by;
    layer->expire(now);
  }
  std::uint64_t dropped(Drop reason) const { return layer->counters().of(reason); }

  std::optional<EthernetHeader> sent_header() const {
    if (port.sent.empty()) return std::nullopt;
    return *parse_ethernet(port.sent.front().frame);
  }
  // The first frame that was sent, as what it is.
  std::optional<Arp> take_arp() {
    const auto header = sent_header();
    if (!header || header->type != EtherType::arp) return std::nullopt;
    return *parse_arp(Bytes(port.take()).subspan(header->size()));
  }
  std::optional<IpPacket> take_ip() {
    const auto header = sent_header();
    if (!header || header->type == EtherType::arp) return std::nullopt;
    taken = port.take();
    const auto packet = parse_ip(MutableBytes(taken).subspan(header->size()));
    return packet ? std::optional(*packet) : std::nullopt;
  }
  std::optional<NeighbourMessage> take_neighbour() {
    const auto packet = take_ip();
    if (!packet) return std::nullopt;
    const auto message = parse_icmp(*packet);
    if (!message) return std::nullopt;
    const auto parsed = parse_neighbour(*packet, *message);
    return parsed ? std::optional(*parsed) : std::nullopt;
  }

  Instant now{std::chrono::hours(1)};
  SeededRandom random{1};
  RecordingPort port;
  NetworkSettings settings;
  std::unique_ptr<IpLayer> layer;
  Packet last_frame;
  Packet taken;
};

}  // namespace godwit::dataplane::tcp::testing
