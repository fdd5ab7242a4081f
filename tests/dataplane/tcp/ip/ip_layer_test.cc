// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layer.h"

#include <gtest/gtest.h>

#include "dataplane/tcp/wire/checksum.h"
#include "tests/dataplane/tcp/ip/network_fixture.h"

// What a packet to us comes to, and how packets of ours look.

namespace godwit::dataplane::tcp::testing {
namespace {

class IpLayerTest : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    know_neighbours();
  }
  SegmentOut syn(const IpAddress& from, const IpAddress& to) const {
    return {{from, to, 5000, 80}, 7, 0, 0, Flags::syn};
  }
  void receive_icmp(const IpAddress& from, const IpAddress& to, const IcmpOut& message) {
    receive_ip(icmp_packet(from, to, message));
  }
  // A datagram with a right checksum.
  Packet udp(const IpAddress& from, const IpAddress& to) const {
    Packet bytes = {0x10, 0, 0x20, 0, 0, 12, 0, 0, 1, 2, 3, 4};
    Checksum checksum;
    add_pseudo_header(checksum, {from, to, 12, 17});
    checksum.add(bytes);
    bytes[6] = static_cast<std::uint8_t>(checksum.finish() >> 8);
    bytes[7] = static_cast<std::uint8_t>(checksum.finish());
    return ip_packet({from, to, Protocol::udp}, bytes);
  }
  std::optional<IcmpMessage> take_icmp() {
    const auto packet = take_ip();
    if (!packet) return std::nullopt;
    const auto message = parse_icmp(*packet);
    return message ? std::optional(*message) : std::nullopt;
  }
};

TEST_F(IpLayerTest, SegmentsGoUp) {
  for (const auto& [from, to] : {std::pair{peer, us}, {peer6, us6}}) {
    const auto received = receive_ip(tcp_packet(syn(from, to)));
    const auto* segment = std::get_if<SegmentIn>(&received);
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->flow, (Flow{to, from, 80, 5000}));
    EXPECT_EQ(segment->seq, 7u);
  }
}

TEST_F(IpLayerTest, AFlowIsSeenBeforeItsFrameIsLookedInto) {
  for (const auto& [from, to] : {std::pair{peer, us}, {peer6, us6}}) {
    const Packet packet = tcp_packet(syn(from, to));
    Packet frame(ethernet_header_size);
    frame.insert(frame.end(), packet.begin(), packet.end());
    Flow flow;
    layer->peek(frame, flow);
    EXPECT_EQ(flow, (Flow{to, from, 80, 5000}));
    // Not where it ends before its ports do, for another protocol, and behind options.
    const std::size_t ports_end = from.is_v4() ? 40 : 44;
    layer->peek(Bytes(frame).first(ethernet_header_size + ports_end), flow);
    EXPECT_EQ(flow, (Flow{to, from, 80, 5000}));
    layer->peek(Bytes(frame).first(ethernet_header_size + ports_end - 1), flow);
    EXPECT_EQ(flow, Flow{});
    Packet other = frame;
    other[ethernet_header_size + (from.is_v4() ? 9 : 6)] = 17;
    layer->peek(other, flow);
    EXPECT_EQ(flow, Flow{});
    if (!from.is_v4()) continue;
    other = frame;
    other[ethernet_header_size] = 0x46;
    layer->peek(other, flow);
    EXPECT_EQ(flow, Flow{});
  }
  Flow flow{peer, us, 1, 2};
  layer->peek({}, flow);
  EXPECT_EQ(flow, Flow{});
}

TEST_F(IpLayerTest, SegmentsGoOut) {
  for (const IpAddress& to : {peer, peer6}) {
    send_segment(to, 1460 - (to.is_v4() ? 0 : 20));
    const auto packet = take_ip();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->whole.size(), 1500u);
    EXPECT_EQ(packet->hop_limit, 64);
    const auto segment = parse_tcp(*packet, false);
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->flow, (Flow{to, to.is_v4() ? us : us6, 5000, 80}));
    send_segment(to, 1461);
    EXPECT_TRUE(port.sent.empty());
  }
  EXPECT_EQ(dropped(Drop::too_long), 2u);
}

TEST_F(IpLayerTest, PortCompletesTheChecksumsItCan) {
  port.offers = {true, true};
  make();
  know_neighbours();
  send_segment(peer);
  const TxHints hints = port.sent.front().hints;
  EXPECT_TRUE(hints.ip_checksum && hints.tcp_checksum && hints.v4);
  EXPECT_EQ(hints.link_size, 14);
  EXPECT_EQ(hints.ip_size, 20);
  const Packet frame = port.take();
  EXPECT_EQ(frame[24] | frame[25], 0);
  Checksum rest;
  rest.add(Bytes(frame).subspan(34));
  Packet whole(frame.begin() + 14, frame.end());
  whole[20 + 16] = static_cast<std::uint8_t>(rest.finish() >> 8);
  whole[20 + 17] = static_cast<std::uint8_t>(rest.finish());
  EXPECT_TRUE(parse_tcp(*parse_ipv4(whole, true), false));
  send_segment(peer6);
  EXPECT_FALSE(port.sent.front().hints.ip_checksum);
  EXPECT_TRUE(port.sent.front().hints.tcp_checksum);
}

TEST_F(IpLayerTest, WhatWaitedIsCompleteWithoutThePort) {
  port.offers = {true, true};
  make();
  send_segment(peer);
  port.sent.clear();
  arp_reply(peer, peer_mac);
  EXPECT_FALSE(port.sent.front().hints.tcp_checksum);
  EXPECT_TRUE(parse_tcp(*take_ip(), false));
}

TEST_F(IpLayerTest, FullPortLosesThePacketAndCounts) {
  port.full = true;
  send_segment(peer);
  EXPECT_EQ(dropped(Drop::no_frame), 1u);
}

TEST_F(IpLayerTest, NoRouteIsCounted) {
  settings.routes.clear();
  make();
  send_segment(far);
  EXPECT_EQ(dropped(Drop::no_route), 1u);
}

TEST_F(IpLayerTest, FramesOfOthersAreDropped) {
  const Packet packet = tcp_packet(syn(peer, us));
  receive(frame(stranger_mac, EtherType::ipv4, packet));
  receive(frame(our_mac, EtherType::ipv4, packet, our_mac));  // looped back
  EXPECT_EQ(dropped(Drop::other_mac), 2u);
  receive(frame(our_mac, EtherType{0x88cc}, packet));
  EXPECT_EQ(dropped(Drop::unknown_ethertype), 1u);
  receive(frame(our_mac, EtherType::ipv6, packet));
  EXPECT_EQ(dropped(Drop::bad_ip_header), 1u);
  receive(frame(our_mac, EtherType::ipv4, {}));
  receive(Packet(13));
  EXPECT_EQ(dropped(Drop::short_frame), 2u);
  receive_ip(tcp_packet(syn(peer, ip("192.0.2.9"))));
  EXPECT_EQ(dropped(Drop::not_our_address), 1u);
}

TEST_F(IpLayerTest, VlanIsOursOrNone) {
  const Packet packet = tcp_packet(syn(peer, us));
  EthernetHeader header{our_mac, peer_mac, 7, EtherType::ipv4};
  const auto tagged = [&](std::uint16_t vlan) {
    header.vlan = vlan;
    Packet bytes(header.size());
    write_ethernet(bytes, header);
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    return receive(bytes).index() == 1;
  };
  EXPECT_FALSE(tagged(7));
  EXPECT_TRUE(tagged(0));  // a priority alone
  settings.vlan = 7;
  make();
  EXPECT_TRUE(tagged(7));
  EXPECT_FALSE(tagged(8));
  EXPECT_FALSE(tagged(0));
  EXPECT_EQ(dropped(Drop::other_vlan), 2u);
  know_neighbours();
  send_segment(peer);
  EXPECT_EQ(sent_header()->vlan, 7);
}

TEST_F(IpLayerTest, MartiansAreDropped) {
  for (const char* from :
       {"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "192.0.2.255"}) {
    receive_ip(tcp_packet(syn(ip(from), us)));
  }
  for (const char* from : {"::1", "::", "ff02::1", "2001:db8::1"}) {
    receive_ip(tcp_packet(syn(ip(from), us6)));
  }
  EXPECT_EQ(dropped(Drop::martian_source), 10u);
  receive_ip(tcp_packet(syn(peer, ip("127.0.0.1"))));
  EXPECT_EQ(dropped(Drop::martian_destination), 1u);
}

// An IPv4 address dressed as IPv6 would pass for the real one behind this layer.
TEST_F(IpLayerTest, MappedAddressesAreNoIpv6) {
  Packet packet = tcp_packet(syn(peer6, us6));
  std::ranges::copy(peer.bytes, packet.begin() + 8);
  receive_ip(packet);
  EXPECT_EQ(dropped(Drop::martian_source), 1u);
  packet = tcp_packet(syn(peer6, us6));
  std::ranges::copy(us.bytes, packet.begin() + 24);
  receive_ip(packet);
  EXPECT_EQ(dropped(Drop::martian_destination), 1u);
}

TEST_F(IpLayerTest, NobodyConnectsToAGroup) {
  for (const char* to : {"192.0.2.255", "255.255.255.255", "224.0.0.1"}) {
    receive_ip(tcp_packet(syn(peer, ip(to))));
  }
  receive_ip(tcp_packet(syn(peer6, all_nodes)));
  receive(frame(broadcast_mac, EtherType::ipv4, tcp_packet(syn(peer, us))));
  EXPECT_EQ(dropped(Drop::group_address), 5u);
  receive_ip(tcp_packet(syn(peer6, ip("ff02::2"))));
  EXPECT_EQ(dropped(Drop::not_our_address), 1u);
}

TEST_F(IpLayerTest, AnswersEcho) {
  const Packet body = {1, 2, 3, 4, 5};
  receive_icmp(peer, us, {v4_echo, 0, 0xabcd0001, body});
  const auto answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v4_echo_reply);
  EXPECT_EQ(answer->rest, 0xabcd0001u);
  EXPECT_TRUE(std::ranges::equal(answer->body, body));
  receive_icmp(peer6, us6, {v6_echo, 0, 7, body});
  EXPECT_EQ(take_icmp()->type, v6_echo_reply);
  receive_icmp(peer, ip("192.0.2.255"), {v4_echo, 0, 0, body});
  receive_icmp(peer6, all_nodes, {v6_echo, 0, 0, body});
  EXPECT_TRUE(port.sent.empty());
}

TEST_F(IpLayerTest, EchoAnswersAreLimited) {
  for (int i = 0; i < 150; ++i) receive_icmp(peer, us, {v4_echo, 0, 0, {}});
  EXPECT_EQ(port.sent.size(), settings.echo_limit.burst);
  EXPECT_EQ(dropped(Drop::icmp_limited), 150 - settings.echo_limit.burst);
}

TEST_F(IpLayerTest, ClosedUdpPortIsReported) {
  const Packet asked = udp(peer, us);
  receive_ip(asked);
  auto answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v4_unreachable);
  EXPECT_EQ(answer->code, 3);
  EXPECT_TRUE(std::ranges::equal(answer->body, asked));
  receive_ip(udp(peer6, us6));
  answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v6_unreachable);
  EXPECT_EQ(answer->code, 4);
}

TEST_F(IpLayerTest, UnknownProtocolIsReported) {
  receive_ip(ip_packet({peer, us, Protocol{132}}, Packet(8)));
  auto answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v4_unreachable);
  EXPECT_EQ(answer->code, 2);
  receive_ip(ip_packet({peer6, us6, Protocol{132}}, Packet(8)));
  answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v6_parameter_problem);
  EXPECT_EQ(answer->code, 1);
  EXPECT_EQ(answer->rest, 6u);
  receive_ip(ip_packet({peer6, us6, Protocol::icmp}, Packet(8)));  // the other family's
  EXPECT_EQ(take_icmp()->type, v6_parameter_problem);
  receive_ip(ip_packet({peer6, us6, Protocol::none}, {}));
  EXPECT_TRUE(port.sent.empty());
}

TEST_F(IpLayerTest, NoErrorInAnswerToErrorsOrGroups) {
  receive_ip(udp(peer, ip("192.0.2.255")));
  receive(frame(broadcast_mac, EtherType::ipv4, udp(peer, us)));
  receive_ip(udp(peer6, all_nodes));
  Packet broken = udp(peer, us);
  broken.back() ^= 1;
  receive_ip(broken);
  EXPECT_EQ(dropped(Drop::bad_udp), 1u);
  // An error with an option that would be reported in anything else.
  Packet extension = {58, 0, 0x9e, 4, 0, 0, 0, 0, v6_unreachable, 0, 0, 0, 0, 0, 0, 0};
  receive_ip(ip_packet({peer6, us6, Protocol::destination_options}, extension));
  EXPECT_TRUE(port.sent.empty());
}

TEST_F(IpLayerTest, UnknownOptionIsReportedAlsoToAGroup) {
  const Packet extension = {6, 0, 0x9e, 4, 0, 0, 0, 0};
  receive_ip(ip_packet({peer6, all_nodes, Protocol::destination_options}, extension));
  const auto answer = take_icmp();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->type, v6_parameter_problem);
  EXPECT_EQ(answer->code, 2);
  EXPECT_EQ(answer->rest, 42u);
}

TEST_F(IpLayerTest, ErrorsAreLimited) {
  for (int i = 0; i < 50; ++i) receive_ip(udp(peer, us));
  EXPECT_EQ(port.sent.size(), settings.error_limit.burst);
  EXPECT_EQ(layer->counters().errors_sent, settings.error_limit.burst);
}

TEST_F(IpLayerTest, ErrorsAboutOurSegmentsGoUp) {
  const Packet ours = tcp_packet({{us, far, 80, 5000}, 99, 0, 0, Flags::ack});
  const auto received = receive_ip(icmp_packet(peer, us, {v4_unreachable, 4, 1280, ours}));
  const auto* error = std::get_if<IcmpError>(&received);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, IcmpError::Kind::too_big);
  EXPECT_EQ(error->mtu, 1280u);
  EXPECT_EQ(error->seq, 99u);
  EXPECT_EQ(error->flow, (Flow{us, far, 80, 5000}));
  receive_icmp(peer, us, {5, 0, 0, ours});  // a redirect
  EXPECT_EQ(dropped(Drop::icmp_ignored), 1u);
}

TEST_F(IpLayerTest, SourceAddressIsOfTheDestinationsKind) {
  EXPECT_EQ(layer->addresses().source_for(far), us);
  EXPECT_EQ(layer->addresses().source_for(far6), us6);
  EXPECT_EQ(layer->addresses().source_for(ip("fe80::2")), link_local_address(our_mac));
}

TEST_F(IpLayerTest, LongestPrefixWins) {
  settings.routes.push_back({*parse_ip_prefix("198.51.100.0/24"), peer});
  settings.routes.push_back({*parse_ip_prefix("198.51.100.1/32"), ip("192.0.2.3")});
  const Routes routes(settings);
  EXPECT_EQ(routes.next_hop(far), ip("192.0.2.3"));
  EXPECT_EQ(routes.next_hop(ip("198.51.100.2")), peer);
  EXPECT_EQ(routes.next_hop(ip("203.0.113.1")), ip("192.0.2.254"));
  EXPECT_EQ(routes.next_hop(ip("192.0.2.77")), ip("192.0.2.77"));
  EXPECT_EQ(routes.next_hop(ip("fe80::7")), ip("fe80::7"));
}

TEST_F(IpLayerTest, EveryPacketCutShortIsDropped) {
  const Packet whole = frame(our_mac, EtherType::ipv4, tcp_packet(syn(peer, us)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(receive(Packet(whole.begin(), whole.begin() + static_cast<int>(size))).index(), 0u);
  }
  EXPECT_EQ(receive(whole).index(), 1u);
}

TEST_F(IpLayerTest, RawIpHasNoNeighbours) {
  settings = {};
  settings.link = LinkMode::raw_ip;
  settings.any_address = true;
  make();
  layer->start(now);
  EXPECT_TRUE(port.sent.empty());
  Packet packet = tcp_packet(syn(far, ip("203.0.113.5")));
  EXPECT_EQ(layer->receive(packet, {}, now).index(), 1u);
  send_segment(far);
  EXPECT_EQ(port.sent.size(), 1u);
  Packet sent = port.take();
  EXPECT_TRUE(parse_tcp(*parse_ip(sent), false));
}

class SettingsTest : public NetworkTest {
 protected:
  bool good() const { return check(settings).has_value(); }
};

TEST_F(SettingsTest, LimitsOfEachNumber) {
  EXPECT_TRUE(good());
  for (const auto& [mtu, fits] :
       {std::pair{std::size_t{1279}, false}, {1280, true}, {9216, true}, {9217, false}}) {
    settings.mtu = mtu;
    EXPECT_EQ(good(), fits) << mtu;
  }
  settings.addresses.pop_back();
  settings.routes.pop_back();
  for (const auto& [mtu, fits] : {std::pair{std::size_t{575}, false}, {576, true}}) {
    settings.mtu = mtu;
    EXPECT_EQ(good(), fits) << mtu;
  }
  for (const auto& [vlan, fits] : {std::pair{0, false}, {1, true}, {4094, true}, {4095, false}}) {
    settings.vlan = static_cast<std::uint16_t>(vlan);
    EXPECT_EQ(good(), fits) << vlan;
  }
  settings.vlan.reset();
  settings.addresses.resize(addresses_max, settings.addresses[0]);
  EXPECT_TRUE(good());
  settings.addresses.push_back(settings.addresses[0]);
  EXPECT_FALSE(good());
  settings.addresses.resize(1);
  settings.routes.resize(routes_max, settings.routes[0]);
  EXPECT_TRUE(good());
  settings.routes.push_back(settings.routes[0]);
  EXPECT_FALSE(good());
}

TEST_F(SettingsTest, WhatCannotBe) {
  const NetworkSettings fine = settings;
  const auto refuses = [&](auto&& change) {
    settings = fine;
    change();
    return !good();
  };
  EXPECT_TRUE(refuses([&] { settings.mac = {}; }));
  EXPECT_TRUE(refuses([&] { settings.mac = broadcast_mac; }));
  EXPECT_TRUE(refuses([&] { settings.addresses.clear(); }));
  EXPECT_TRUE(refuses([&] { settings.any_address = true; }));
  EXPECT_TRUE(refuses([&] { settings.addresses[0].address = ip("127.0.0.1"); }));
  EXPECT_TRUE(refuses([&] { settings.addresses[0].bits = 24; }));
  EXPECT_TRUE(refuses([&] { settings.routes[0].gateway = far; }));
  EXPECT_TRUE(refuses([&] { settings.routes[0].gateway = us; }));
  EXPECT_TRUE(refuses([&] { settings.routes[0].gateway = peer6; }));
  EXPECT_FALSE(refuses([&] { settings.routes[1].gateway = ip("fe80::1"); }));
}

TEST(LinkLocal, IsMadeFromTheMac) {
  EXPECT_EQ(link_local_address({{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}}),
            ip("fe80::11:22ff:fe33:4455"));
}

}  // namespace
}  // namespace godwit::dataplane::tcp::testing
