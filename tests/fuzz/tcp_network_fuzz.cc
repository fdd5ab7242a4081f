// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "base/random.h"
#include "dataplane/tcp/ip/ip_layer.h"
#include "tests/dataplane/tcp/ip/recording_port.h"

// Frames of any kind into the network half, with right checksums, so that neighbour discovery, ARP
// and ICMP are reached: its table and what waits stay bounded, timers are owned, and one frame in
// brings out few and small ones.

namespace {

using namespace godwit;
using namespace godwit::dataplane::tcp;

constexpr std::uint32_t entries_max = 8;
constexpr std::uint32_t waiting_max = 3;
constexpr std::size_t answers_max = 3;  // an answer, what waited, and a question

const MacAddress our_mac{{2, 0, 0, 0, 0, 1}};

NetworkSettings settings(std::uint8_t choice) {
  NetworkSettings made;
  made.mac = our_mac;
  made.addresses = {*parse_ip_prefix("192.0.2.1/24"), *parse_ip_prefix("2001:db8::1/64")};
  made.addresses[0].bits = 120;
  made.routes = {{*parse_ip_prefix("0.0.0.0/0"), *parse_ip_address("192.0.2.254")},
                 {*parse_ip_prefix("::/0"), *parse_ip_address("fe80::ff")}};
  made.neighbours.entries_max = entries_max;
  made.neighbours.waiting_max = waiting_max;
  made.detect_duplicates = (choice & 1) != 0;
  if ((choice & 2) != 0) made.vlan = 5;
  return made;
}

class Network {
 public:
  explicit Network(std::uint8_t choice)
      : settings_(settings(choice)), layer_(settings_, PortView(port_), random_) {
    layer_.start(now_);
    port_.sent.clear();
  }

  void step(ByteReader& in) {
    const std::size_t before = layer_.counters().frames_out;
    switch (in.u8() % 6) {
      case 0:
        now_ += std::chrono::milliseconds(1) * (std::int64_t{1} << (in.u8() % 17));
        layer_.expire(now_);
        break;
      case 1:
        transmit(in);
        check_answers(before);
        break;
      case 2:
        receive(in, EtherType::arp, rest(in));
        check_answers(before);
        break;
      default:
        receive_ip(in);
        check_answers(before);
    }
    check();
  }

 private:
  std::vector<std::uint8_t> rest(ByteReader& in) {
    const Bytes bytes = in.take(std::min<std::size_t>(in.u8(), in.remaining()));
    return {bytes.begin(), bytes.end()};
  }
  IpAddress neighbour(std::uint8_t number, bool v4) {
    IpAddress address = *parse_ip_address(v4 ? "192.0.2.0" : "2001:db8::");
    address.bytes[15] = number;
    return address;
  }

  void transmit(ByteReader& in) {
    const bool v4 = in.u8() % 2 == 0;
    const IpAddress to = neighbour(in.u8() % 32, v4);
    const IpAddress from = settings_.addresses[v4 ? 0 : 1].address;
    if (to == from) return;
    layer_.transmit({{from, to, 80, 5000}, in.u32(), 0, 0, Flags::ack});
  }

  void receive(ByteReader& in, EtherType type, const std::vector<std::uint8_t>& packet) {
    MacAddress to = our_mac;
    const std::uint8_t kind = in.u8();
    if (kind % 4 == 1) to = broadcast_mac;
    if (kind % 4 == 2) to = MacAddress{{0x33, 0x33, 0, 0, 0, 1}};
    EthernetHeader header{to, MacAddress{{2, 0, 0, 0, 0, 2}}, settings_.vlan, type};
    if (kind % 16 == 3) header.vlan = 9;
    frame_.assign(header.size(), 0);
    write_ethernet(frame_, header);
    frame_.insert(frame_.end(), packet.begin(), packet.end());
    const auto received = layer_.receive(frame_, {true}, now_);
    if (const auto* segment = std::get_if<SegmentIn>(&received)) {
      GODWIT_CHECK(layer_.addresses().is_own(segment->flow.local));
      GODWIT_CHECK(!layer_.addresses().is_own(segment->flow.remote));
    }
  }

  // A packet between addresses that matter, with the protocol's checksum made right.
  void receive_ip(ByteReader& in) {
    const std::uint8_t choice = in.u8();
    const bool v4 = (choice & 1) != 0;
    IpOut header{neighbour(in.u8() % 32, v4), settings_.addresses[v4 ? 0 : 1].address,
                 Protocol{in.u8()}};
    header.hop_limit = (choice & 2) != 0 ? 255 : 64;
    if ((choice & 4) != 0) header.protocol = v4 ? Protocol::icmp : Protocol::icmp_v6;
    if (!v4 && (choice & 8) != 0) header.destination = solicited_node_group(header.destination);
    if (!v4 && (choice & 16) != 0) header.source = IpAddress{};
    if (!v4 && (choice & 32) != 0) header.destination = all_nodes;
    std::vector<std::uint8_t> payload = rest(in);
    const bool icmp = header.protocol == Protocol::icmp || header.protocol == Protocol::icmp_v6;
    if (icmp && payload.size() >= icmp_header_size) {
      ByteReader fields(payload);
      IcmpOut message;
      message.type = fields.u8();
      message.code = fields.u8();
      fields.take(2);
      message.rest = fields.u32();
      message.body = fields.take_rest();
      std::vector<std::uint8_t> written(payload.size());
      write_icmp(written, header.source, header.destination, message);
      payload = std::move(written);
    }
    header.payload_size = payload.size();
    std::vector<std::uint8_t> packet(ip_header_size(v4));
    v4 ? write_ipv4(packet, header) : write_ipv6(packet, header);
    packet.insert(packet.end(), payload.begin(), payload.end());
    receive(in, v4 ? EtherType::ipv4 : EtherType::ipv6, packet);
  }

  void check_answers(std::uint64_t before) const {
    GODWIT_CHECK(layer_.counters().frames_out - before <= answers_max);
  }
  void check() {
    layer_.neighbours().check_invariants();
    GODWIT_CHECK(layer_.neighbours().size() <= entries_max);
    GODWIT_CHECK(layer_.neighbours().waiting() <= waiting_max);
    for (const auto& sent : port_.sent) {
      GODWIT_CHECK(sent.frame.size() <= settings_.mtu + 18);
      const auto header = parse_ethernet(sent.frame);
      GODWIT_CHECK(header && header->source == our_mac && header->vlan == settings_.vlan);
    }
    port_.sent.clear();
  }

  Instant now_{std::chrono::hours(1)};
  SeededRandom random_{1};
  testing::RecordingPort port_;
  NetworkSettings settings_;
  IpLayer layer_;
  std::vector<std::uint8_t> frame_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  Network network(in.u8());
  for (int steps = 0; steps < 200 && !in.at_end(); ++steps) network.step(in);
  return 0;
}
