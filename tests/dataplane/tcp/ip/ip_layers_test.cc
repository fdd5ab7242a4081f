// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/ip/ip_layers.h"

#include <gtest/gtest.h>

#include <array>

#include "dataplane/tcp/stack.h"
#include "tests/dataplane/tcp/ip/recording_port.h"
#include "tests/dataplane/tcp/wire/packets.h"

// A stack on several networks, of which the test is every other station: what comes in by a port
// leaves by it. On virtual time.

namespace godwit::dataplane::tcp::testing {

namespace {

constexpr std::uint16_t our_tcp_port = 5210;

// Counts, and echoes.
struct Echo {
  Tcp* tcp = nullptr;
  std::size_t opened = 0;
  std::string bytes;

  void on_open(ConnectionName, bool) { ++opened; }
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
    bytes += as_text(lease);
    const Bytes piece(lease);
    EXPECT_EQ(tcp->send(name, {&piece, 1}), lease.size());
  }
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, io::CloseReason) {}
};

class TwoPorts : public ::testing::Test {
 protected:
  static MacAddress our_mac(std::size_t port) {
    return {{2, 0, 0, 0, 1, static_cast<std::uint8_t>(port)}};
  }
  static MacAddress router_mac(std::size_t port) {
    return {{2, 0, 0, 0, 2, static_cast<std::uint8_t>(port)}};
  }
  static NetworkSettings network(std::size_t port) {
    const std::string third = std::to_string(port);
    NetworkSettings settings;
    settings.mac = our_mac(port);
    settings.listener_reports = false;
    settings.addresses = {*parse_ip_prefix("10.0." + third + ".1/24"),
                          *parse_ip_prefix("2001:db8:" + third + "::1/64")};
    settings.routes = {{*parse_ip_prefix("0.0.0.0/0"), router(port)},
                       {*parse_ip_prefix("::/0"), ip("2001:db8:" + third + "::fe")}};
    return settings;
  }
  static IpAddress ours(std::size_t port) { return ip("10.0." + std::to_string(port) + ".1"); }
  static IpAddress router(std::size_t port) { return ip("10.0." + std::to_string(port) + ".254"); }

  void SetUp() override {
    settings.network = network(0);
    settings.more_networks = {network(1)};
    settings.more_networks[0].mtu = 9000;
  }
  void make() {
    const std::vector<PortView> views{PortView(ports[0]), PortView(ports[1])};
    stack = std::make_unique<Stack>(settings, 1, random, views);
    echo.tcp = &stack->tcp();
    ASSERT_TRUE(stack->tcp().listen({}, our_tcp_port));
    stack->expire(now, echo);
  }
  // The router of each port is known, as after its answer.
  void know_routers() {
    for (std::size_t port = 0; port < 2; ++port) {
      Packet bytes(arp_size);
      write_arp(bytes, {Arp::Operation::request, router_mac(port), router(port), {}, ours(port)});
      receive(port, EtherType::arp, bytes);
      ports[port].sent.clear();
    }
  }
  void receive(std::size_t port, EtherType type, Bytes packet) {
    const EthernetHeader header{our_mac(port), router_mac(port), std::nullopt, type};
    Packet frame(header.size());
    write_ethernet(frame, header);
    frame.insert(frame.end(), packet.begin(), packet.end());
    stack->receive(frame, {}, now, echo, port);
  }
  // From a peer to an address of ours, in by a port.
  void receive_segment(std::size_t port, const Flow& peers, std::uint8_t flags, std::uint32_t seq,
                       std::uint32_t ack = 0, std::string_view text = {}) {
    SegmentOut segment{peers, seq, ack, 60000, flags};
    const Bytes piece = as_bytes(text);
    if (!text.empty()) segment.payload = {&piece, 1};
    const Packet packet = tcp_packet(segment);
    receive(port, peers.remote.is_v4() ? EtherType::ipv4 : EtherType::ipv6, packet);
  }
  // The next TCP segment that left by a port, and to which station.
  struct Left {
    MacAddress to;
    SegmentIn segment;
  };
  std::optional<Left> take(std::size_t port) {
    now += std::chrono::milliseconds(1);
    stack->expire(now, echo);
    stack->flush(now, echo);
    while (!ports[port].sent.empty()) {
      taken = ports[port].take();
      const auto header = parse_ethernet(taken);
      if (header->type == EtherType::arp) continue;
      const auto packet = parse_ip(MutableBytes(taken).subspan(header->size()));
      if (packet->protocol != Protocol::tcp) continue;
      return Left{header->destination, *parse_tcp(*packet, false)};
    }
    return std::nullopt;
  }
  std::uint64_t dropped(std::size_t port, Drop reason) const {
    return stack->ip(port).counters().of(reason);
  }

  static Flow peers_flow(const IpAddress& peer, const IpAddress& to, std::uint16_t from = 4000) {
    return {peer, to, from, our_tcp_port};
  }

  Instant now{std::chrono::hours(1)};
  SeededRandom random{1};
  std::array<RecordingPort, 2> ports;
  StackSettings settings;
  Echo echo;
  std::unique_ptr<Stack> stack;
  Packet taken;
};

TEST_F(TwoPorts, AnAddressIsOnOnePort) {
  make();
  EXPECT_EQ(stack->ips().port_of(ours(0)), 0u);
  EXPECT_EQ(stack->ips().port_of(ours(1)), 1u);
  EXPECT_EQ(stack->ips().port_of(ip("2001:db8:1::1")), 1u);
  EXPECT_EQ(stack->ips().port_of(link_local_address(our_mac(1))), 1u)
      << "the one made from its MAC";
  EXPECT_FALSE(stack->ips().port_of(router(1)));
}

// The same stranger comes by both routers: each answer leaves as the question came.
TEST_F(TwoPorts, AConnectionStaysOnThePortItCameInOn) {
  make();
  know_routers();
  const IpAddress stranger = ip("203.0.113.9");
  for (const std::size_t port : {1, 0}) {
    const Flow flow = peers_flow(stranger, ours(port));
    receive_segment(port, flow, Flags::syn, 100);
    const auto answer = take(port);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(ports[1 - port].sent.empty());
    EXPECT_EQ(answer->to, router_mac(port));
    EXPECT_EQ(answer->segment.flow.remote, ours(port));
    EXPECT_EQ(answer->segment.flags, Flags::syn | Flags::ack);
    const std::string text = "port " + std::to_string(port);
    receive_segment(port, flow, Flags::ack | Flags::psh, 101, answer->segment.seq + 1, text);
    const auto echoed = take(port);
    ASSERT_TRUE(echoed);
    EXPECT_EQ(as_text(echoed->segment.payload), text);
    EXPECT_EQ(echoed->to, router_mac(port));
    EXPECT_TRUE(ports[1 - port].sent.empty());
  }
  EXPECT_EQ(echo.opened, 2u);
  EXPECT_EQ(stack->tcp().open_connections(), 2u);
}

// A neighbour on the first port's own network who comes by the second's router is answered there:
// where the peer lies is not asked.
TEST_F(TwoPorts, TheAnswerDoesNotTakeTheShorterWay) {
  make();
  know_routers();
  receive_segment(1, peers_flow(ip("10.0.0.77"), ours(1)), Flags::syn, 100);
  const auto answer = take(1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->to, router_mac(1));
  EXPECT_TRUE(ports[0].sent.empty()) << "nobody is asked for 10.0.0.77 there";
}

TEST_F(TwoPorts, AnAddressOfTheOtherPortIsNoneOfOursHere) {
  make();
  know_routers();
  receive_segment(0, peers_flow(ip("10.0.0.77"), ours(1)), Flags::syn, 100);
  EXPECT_EQ(dropped(0, Drop::not_our_address), 1u);
  Packet bytes(arp_size);
  write_arp(bytes, {Arp::Operation::request, router_mac(0), router(0), {}, ours(1)});
  receive(0, EtherType::arp, bytes);
  for (const RecordingPort& port : ports) EXPECT_TRUE(port.sent.empty());
  EXPECT_FALSE(take(0));
  EXPECT_FALSE(take(1));
  EXPECT_EQ(stack->tcp().half_open(), 0u);
}

TEST_F(TwoPorts, AResetLeavesByThePortOfWhatItAnswers) {
  make();
  know_routers();
  Flow closed = peers_flow(ip("203.0.113.9"), ours(1));
  closed.remote_port = 80;
  receive_segment(1, closed, Flags::syn, 100);
  const auto reset = take(1);
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->segment.has(Flags::rst));
  EXPECT_TRUE(ports[0].sent.empty());
}

TEST_F(TwoPorts, EachTellsTheSegmentsThatItsOwnLinkCarries) {
  make();
  know_routers();
  for (const std::size_t port : {0, 1}) {
    receive_segment(port, peers_flow(ip("203.0.113.9"), ours(port)), Flags::syn, 100);
    const auto answer = take(port);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->segment.options.mss, port == 0 ? 1460 : 8960);
  }
  const std::string third = "2001:db8:1::1";
  receive_segment(1, peers_flow(ip("2001:db8:1::fe"), ip(third)), Flags::syn, 100);
  Packet answered(neighbour_size({true, true, true, ip("2001:db8:1::fe"), router_mac(1)}));
  write_neighbour(answered, ip("2001:db8:1::fe"), ip(third),
                  {true, true, true, ip("2001:db8:1::fe"), router_mac(1)});
  IpOut header{ip("2001:db8:1::fe"), ip(third), Protocol::icmp_v6};
  header.hop_limit = neighbour_hop_limit;
  stack->flush(now, echo);
  receive(1, EtherType::ipv6, ip_packet(header, answered));
  const auto answer = take(1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->segment.options.mss, 8940) << "IPv6's header is 20 bytes longer";
}

TEST_F(TwoPorts, APortThatTakesNothingHoldsNobodyElseUp) {
  make();
  know_routers();
  ports[0].full = true;
  receive_segment(0, peers_flow(ip("203.0.113.9"), ours(0)), Flags::syn, 100);
  receive_segment(1, peers_flow(ip("203.0.113.9"), ours(1)), Flags::syn, 100);
  EXPECT_TRUE(take(1));
  EXPECT_FALSE(take(0));
  EXPECT_GT(dropped(0, Drop::no_frame), 0u);
  EXPECT_EQ(dropped(1, Drop::no_frame), 0u);
  ports[0].full = false;
  now += std::chrono::seconds(2);
  EXPECT_TRUE(take(0)) << "the SYN-ACK again, when its time comes";
}

TEST_F(TwoPorts, ADialledPeerIsReachedByTheLongestRoute) {
  settings.more_networks[0].routes.push_back({*parse_ip_prefix("198.51.100.0/24"), router(1)});
  make();
  know_routers();
  const auto from = [&](const char* remote) { return stack->ips().source_for(ip(remote)); };
  EXPECT_EQ(from("10.0.1.7"), ours(1)) << "its own network";
  EXPECT_EQ(from("198.51.100.7"), ours(1)) << "a route of more bits";
  EXPECT_EQ(from("203.0.113.7"), ours(0)) << "two default routes: the first";
  EXPECT_EQ(from("2001:db8:1::7"), ip("2001:db8:1::1"));
  EXPECT_EQ(from("2001:db8:9::7"), ip("2001:db8:0::1"));
  ASSERT_TRUE(stack->connect(ip("198.51.100.7"), 443));
  const auto left = take(1);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->to, router_mac(1));
  EXPECT_EQ(left->segment.flow.remote, ours(1));
  EXPECT_EQ(left->segment.options.mss, 8960);
}

TEST_F(TwoPorts, WithoutARouteAPeerIsNotDialled) {
  settings.network.routes.clear();
  settings.more_networks[0].routes.clear();
  make();
  const auto name = stack->connect(ip("203.0.113.7"), 443);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code, ErrorCode::unavailable);
}

TEST_F(TwoPorts, TheNextDeadlineIsTheEarliestOfAll) {
  settings.network.routes.clear();
  settings.more_networks[0].routes.clear();
  make();
  EXPECT_EQ(stack->next_deadline(), never);
  stack->start(now);
  const Instant due = stack->next_deadline();
  EXPECT_EQ(due, now + std::chrono::seconds(2)) << "the announcements again";
  for (RecordingPort& port : ports) {
    EXPECT_FALSE(port.sent.empty());
    port.sent.clear();
  }
  now = due;
  stack->expire(now, echo);
  for (const RecordingPort& port : ports) EXPECT_FALSE(port.sent.empty());
}

class PortsTogether : public TwoPorts {
 protected:
  std::string problem() const {
    const auto checked = check(networks);
    return checked ? "" : checked.error().message;
  }
  std::vector<NetworkSettings> networks{network(0), network(1)};
};

TEST_F(PortsTogether, OneToFour) {
  for (const std::size_t count : {1, 4}) {
    networks.clear();
    for (std::size_t port = 0; port < count; ++port) networks.push_back(network(port));
    EXPECT_EQ(problem(), "");
  }
  networks.push_back(network(4));
  EXPECT_EQ(problem(), "a stack has 1 to 4 ports");
  networks.clear();
  EXPECT_EQ(problem(), "a stack has 1 to 4 ports");
}

TEST_F(PortsTogether, FourPortsAnswerEachForItself) {
  std::array<RecordingPort, 4> four;
  std::vector<PortView> views;
  for (std::size_t port = 0; port < four.size(); ++port) {
    if (port > 1) networks.push_back(network(port));
    views.push_back(PortView(four[port]));
  }
  IpLayers layers(networks, views, random);
  layers.expire(now);
  for (std::size_t port = 0; port < four.size(); ++port) {
    EXPECT_EQ(layers.port_of(ours(port)), port);
    // Asks who the router is, on its own link.
    layers.transmit({.flow = {ours(port), ip("203.0.113.9"), 1, 2}});
    EXPECT_EQ(four[port].sent.size(), 1u);
  }
  layers.transmit({.flow = {ip("192.0.2.99"), router(0), 1, 2}});
  EXPECT_EQ(four[0].sent.size(), 1u) << "an address of nobody's: the first asks for its neighbour";
}

TEST_F(PortsTogether, AnAddressIsOnOneAlone) {
  networks[1].addresses.push_back(networks[0].addresses[0]);
  EXPECT_EQ(problem(), "two ports have the address 10.0.0.1");
}

TEST_F(PortsTogether, NetworksDoNotOverlap) {
  networks[1].addresses.push_back({ip("10.0.0.9"), 128});
  EXPECT_EQ(problem(), "the networks of 10.0.0.1 and 10.0.0.9, which are on two ports, overlap");
  networks[1].addresses.back() = {ip("10.0.200.9"), 96 + 16};
  EXPECT_NE(problem().find("overlap"), std::string::npos) << "the larger around the smaller";
  networks[1].addresses.back() = {ip("10.0.1.9"), 96 + 24};
  EXPECT_EQ(problem(), "") << "two addresses of one network on one port";
}

TEST_F(PortsTogether, EachHasAMacOfItsOwn) {
  networks[1].mac = networks[0].mac;
  EXPECT_EQ(problem(), "two ports have the same MAC address");
}

TEST_F(PortsTogether, EachIsCheckedByItself) {
  networks[1].mtu = 100;
  EXPECT_NE(problem().find("MTU"), std::string::npos);
}

TEST_F(PortsTogether, ARawLinkIsAlone) {
  networks[1].link = LinkMode::raw_ip;
  EXPECT_EQ(problem(), "a raw IP link is a stack's only port");
  networks.erase(networks.begin());
  EXPECT_EQ(problem(), "");
}

}  // namespace

}  // namespace godwit::dataplane::tcp::testing
