// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <vector>

#include "tests/dataplane/tcp/script/world.h"
#include "tests/dataplane/tcp/wire/packets.h"

// Peers that send anything, a user who calls anything and time that passes, against a stack with
// tight limits: in LISTEN, SYN-SENT, ESTABLISHED and every closing state. Numbers are drawn near
// those the stack uses, so that windows and edges are met. Whatever comes, its invariants and
// bounds hold, its acknowledgements never go back, and in the end all is given back.

namespace {

using namespace godwit;
using namespace godwit::dataplane;
using namespace godwit::dataplane::tcp;
using script::User;
using script::World;

constexpr std::size_t peers = 4;
constexpr std::uint16_t our_port = 80;

StackSettings settings(std::uint8_t choice) {
  StackSettings made;
  made.network.link = LinkMode::raw_ip;
  made.network.addresses = {{*parse_ip_address("192.0.2.1"), 128}};
  Settings& tcp = made.tcp;
  tcp.connections_max = 6;
  tcp.syn_cache_max = 3;
  tcp.time_wait_max = 2;
  tcp.orphans_max = 2;
  tcp.buffer_bytes = std::size_t{1} << 17;
  tcp.reassembly_bytes = std::size_t{1} << 15;
  tcp.send_queue_max = 20'000;
  tcp.receive_window = 12'000;
  tcp.receive_window_max = 30'000;
  tcp.nagle = (choice & 1) != 0;
  tcp.reset_late_data = (choice & 2) != 0;
  tcp.ecn = (choice & 4) != 0 ? EcnMode::request : EcnMode::accept;
  tcp.syn_cookies = (choice & 8) != 0;
  if ((choice & 16) != 0) tcp.keepalive_idle = std::chrono::seconds(30);
  return made;
}

class Attack {
 public:
  explicit Attack(std::uint8_t choice)
      : settings_(settings(choice)), world_(settings_, (choice & 32) != 0) {
    GODWIT_CHECK(world_.stack.tcp().listen(IpAddress{}, our_port));
    for (std::size_t i = 0; i < peers; ++i) {
      peers_[i].flow = {*parse_ip_address("198.51.100.1"), *parse_ip_address("192.0.2.1"),
                        static_cast<std::uint16_t>(5000 + i), our_port};
    }
  }

  void step(ByteReader& in) {
    switch (in.u8() % 12) {
      case 0:
        world_.run(world_.now + std::chrono::milliseconds(1) * (1 << (in.u8() % 16)), false);
        break;
      case 1:
        use(in);
        break;
      case 2:
        connect(in);
        break;
      case 3:
        report_error(in);
        break;
      case 4:
        open(peers_[in.u8() % peers], in.u8());
        break;
      case 5:
        raw(in);
        break;
      default:
        send_segment(in);
    }
    world_.turn();
    check();
  }

  // Everybody leaves, and time passes.
  void end() {
    for (const auto& connection : world_.user.connections) {
      world_.stack.tcp().close(connection.name, io::CloseMode::abort);
    }
    world_.turn();
    for (int i = 0; i < 30; ++i) {
      world_.run(world_.now + std::chrono::minutes(1), false);
      world_.turn();
      check();
    }
    const Tcp& stack = world_.stack.tcp();
    GODWIT_CHECK(stack.control_blocks() == 0 && stack.buffers_in_use() == 0);
    GODWIT_CHECK(stack.armed_timers() == 0 && stack.half_open() == 0 && stack.time_waits() == 0);
    GODWIT_CHECK(stack.senders() == 0 && stack.receivers() == 0 && stack.orphans() == 0);
  }

 private:
  struct Peer {
    Flow flow;                  // as it sees it
    std::uint32_t next = 0;     // what the stack has acknowledged of it
    std::uint32_t seen = 0;     // the end of what the stack has sent
    bool acknowledges = false;  // since the stack's SYN; from here on `next` does not go back
  };

  User::Connection* connection(ByteReader& in) {
    auto& all = world_.user.connections;
    return all.empty() ? nullptr
                       : &all[all.size() - 1 - in.u8() % std::min<std::size_t>(all.size(), 8)];
  }

  void use(ByteReader& in) {
    User::Connection* one = connection(in);
    if (one == nullptr) return;
    Tcp& tcp = world_.stack.tcp();
    switch (in.u8() % 8) {
      case 0:
        return tcp.pause_receive(one->name);
      case 1:
        return tcp.resume_receive(one->name);
      case 2:
        return tcp.close(one->name, io::CloseMode::graceful);
      case 3:
        return tcp.close(one->name, io::CloseMode::abort);
      case 4:
        return tcp.shutdown_send(one->name);
      default: {
        const std::vector<std::uint8_t> bytes(std::size_t{in.u8()} * 40, 0x41);
        const Bytes chunks[] = {bytes};
        tcp.send(one->name, chunks);
      }
    }
  }

  void connect(ByteReader& in) {
    Peer& peer = peers_[in.u8() % peers];
    const auto name = world_.stack.connect(peer.flow.local, peer.flow.local_port);
    if (name) peer.flow.remote_port = world_.stack.tcp().flow_of(*name).local_port;
  }

  void report_error(ByteReader& in) {
    const Peer& peer = peers_[in.u8() % peers];
    const Flow& flow = peer.flow;
    const std::uint32_t sequence = peer.seen - in.u16();
    const auto quote = testing::tcp_packet(
        {{flow.remote, flow.local, flow.remote_port, flow.local_port}, sequence, 0, 0, 0});
    const std::uint8_t kind = in.u8();
    const IcmpOut message{static_cast<std::uint8_t>(kind % 2 == 0 ? 3 : 11),
                          static_cast<std::uint8_t>(kind / 2 % 16), in.u16(), quote};
    world_.receive(testing::icmp_packet(*parse_ip_address("203.0.113.1"), flow.remote, message));
  }

  // A whole handshake, for most of what is of interest comes behind it.
  void open(Peer& peer, std::uint8_t choice) {
    SegmentOut syn{peer.flow, choice * 0x1000'0001u, 0, 4000, Flags::syn};
    syn.options.mss = static_cast<std::uint16_t>(choice % 3 == 0 ? 100 : 1400);
    syn.options.sack_permitted = (choice & 1) != 0;
    if ((choice & 2) != 0) syn.options.timestamps = Timestamps{choice, 0};
    if ((choice & 4) != 0) syn.options.window_scale = choice % 16;
    world_.receive(testing::tcp_packet(syn));
    world_.turn();
    check();
    SegmentOut ack{peer.flow, peer.next, peer.seen, 4000, Flags::ack};
    if ((choice & 2) != 0) ack.options.timestamps = Timestamps{choice + 1u, stamp_};
    world_.receive(testing::tcp_packet(ack));
  }

  void raw(ByteReader& in) {
    const Bytes bytes = in.take(std::min<std::size_t>(in.u8(), in.remaining()));
    IpOut header{peers_[0].flow.local, peers_[0].flow.remote, Protocol::tcp};
    world_.receive(testing::ip_packet(header, bytes), {true});
  }

  // Near the numbers in use: a little before or behind, or far.
  std::uint32_t near(std::uint32_t number, ByteReader& in) {
    const std::uint8_t how = in.u8();
    if (how < 128) return number;
    if (how < 192) return number + (how - 160u);
    if (how < 240) return number + (how - 216u) * 512;
    return number + in.u32();
  }

  void send_segment(ByteReader& in) {
    const Peer& peer = peers_[in.u8() % peers];
    SegmentOut segment{peer.flow, 0, 0, 0, in.u8()};
    if (in.u8() % 4 != 0) segment.flags = (segment.flags & (Flags::fin | Flags::psh)) | Flags::ack;
    segment.seq = near(peer.next, in);
    segment.ack = near(peer.seen, in);
    segment.window = in.u16();
    const std::uint8_t choice = in.u8();
    segment.ecn = Ecn{static_cast<std::uint8_t>(choice & 3)};
    if ((choice & 4) != 0) segment.options.timestamps = Timestamps{in.u16(), stamp_};
    if ((choice & 8) != 0) segment.options.mss = in.u16();
    if ((choice & 16) != 0) {
      segment.options.sack_count = static_cast<std::uint8_t>(1 + in.u8() % 4);
      for (SequenceRange& block : segment.options.sack) {
        block = {near(peer.seen - 1000, in), near(peer.seen, in)};
      }
    }
    const std::vector<std::uint8_t> payload((choice & 32) != 0 ? std::size_t{in.u8()} * 5 : 0);
    const Bytes pieces[] = {payload};
    segment.payload = pieces;
    world_.receive(testing::tcp_packet(segment));
  }

  void learn(const SegmentIn& segment) {
    for (Peer& peer : peers_) {
      if (peer.flow.local_port != segment.flow.local_port ||
          peer.flow.remote_port != segment.flow.remote_port) {
        continue;
      }
      if (segment.options.timestamps) stamp_ = segment.options.timestamps->value;
      // What a connection that has ended or is not known is told, has no order.
      if (segment.has(Flags::rst)) {
        peer.acknowledges = false;
        return;
      }
      if (segment.has(Flags::syn)) {
        peer.acknowledges = false;
        peer.seen = segment.seq;
      }
      const std::uint32_t end = segment.seq + segment.length();
      if (static_cast<std::int32_t>(end - peer.seen) > 0) peer.seen = end;
      if (!segment.has(Flags::ack)) return;
      const auto forward = static_cast<std::int32_t>(segment.ack - peer.next);
      GODWIT_CHECK(!peer.acknowledges || forward >= 0);
      peer.next = segment.ack;
      peer.acknowledges = !segment.has(Flags::syn);
    }
  }

  void check() {
    for (auto& sent : world_.sent) {
      GODWIT_CHECK(sent.packet.size() <= settings_.network.mtu);
      const auto packet = parse_ipv4(sent.packet, false);
      GODWIT_CHECK(packet && packet->protocol == Protocol::tcp);
      const auto segment = parse_tcp(*packet, false);
      GODWIT_CHECK(segment);
      learn(*segment);
    }
    world_.sent.clear();
    const Tcp& tcp = world_.stack.tcp();
    const std::string broken = tcp.first_broken_invariant();
    if (!broken.empty()) broken_invariant(broken, __FILE__, __LINE__);
    const Settings& limits = settings_.tcp;
    GODWIT_CHECK(tcp.control_blocks() <= limits.connections_max);
    GODWIT_CHECK(tcp.half_open() <= limits.syn_cache_max);
    GODWIT_CHECK(tcp.time_waits() <= limits.time_wait_max);
    GODWIT_CHECK(tcp.orphans() <= limits.orphans_max);
    GODWIT_CHECK(tcp.buffers_in_use() <= limits.buffer_bytes);
    for (const auto& one : world_.user.connections) {
      const auto info = tcp.info(one.name);
      GODWIT_CHECK(!info || (info->mss >= 100 && info->queued <= limits.send_queue_max + 1));
      GODWIT_CHECK(!info || info->held <= limits.receive_window_max);
    }
  }

  const StackSettings settings_;
  World world_;
  std::array<Peer, peers> peers_;
  std::uint32_t stamp_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  Attack attack(in.u8());
  for (int steps = 0; steps < 150 && !in.at_end(); ++steps) attack.step(in);
  attack.end();
  return 0;
}
