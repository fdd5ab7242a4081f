// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "dataplane/tcp/ip/ip_layers.h"
#include "dataplane/tcp/tcp.h"

namespace godwit::dataplane::tcp {

struct StackSettings {
  NetworkSettings network;
  Settings tcp;  // its MTU is the network's, its segmentation the ports'
  std::vector<NetworkSettings> more_networks{};  // of the ports after the first
};

inline std::vector<NetworkSettings> networks_of(const StackSettings& settings) {
  std::vector<NetworkSettings> networks{settings.network};
  networks.insert(networks.end(), settings.more_networks.begin(), settings.more_networks.end());
  return networks;
}

// A TCP/IP stack for one shard: frames and time in, frames and events out. The calls of a user are
// those of tcp(). The order of a turn: receive() for each frame, expire(), flush(); then the ports
// send what they have been given.
//
// Not thread safe; no I/O and no clock of its own.
class Stack {
 public:
  // `settings.network` passed check(). `port` and `random` outlive the stack.
  template <Port P>
  Stack(const StackSettings& settings, std::uint16_t shard, RandomSource& random, P& port)
      : Stack(settings, shard, random, PortView(port)) {}
  Stack(const StackSettings& settings, std::uint16_t shard, RandomSource& random, PortView port)
      : Stack(settings, shard, random, std::span(&port, 1)) {}
  // As many ports as networks, each for its own.
  Stack(const StackSettings& settings, std::uint16_t shard, RandomSource& random,
        std::span<const PortView> ports)
      : ips_(networks_of(settings), ports, random),
        // One port is spoken to as ever; several are chosen from for each segment.
        tcp_(tcp_settings(settings, ips_.segmentation()), shard, random,
             ips_.count() == 1 ? SinkView(ips_.at(0)) : SinkView(ips_)) {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Announces the addresses; once before the first turn.
  void start(Instant now) { ips_.start(now); }

  // `frame`, from a port, may be overwritten, and is not needed any more afterwards.
  void receive(MutableBytes frame, RxHints hints, Instant now, Events events,
               std::size_t port = 0) {
    take(ips_.at(port).receive(frame, hints, now), nullptr, now, events);
  }
  // The same for frames that came together: where there are many connections, memory for the next
  // is fetched while one is worked on.
  void receive(std::span<const FrameIn> frames, Instant now, Events events, std::size_t port = 0);
  void expire(Instant now, Events events) {
    ips_.expire(now);
    tcp_.expire(now, events);
  }
  void flush(Instant now, Events events) { tcp_.flush(now, events); }
  Instant next_deadline() const { return std::min(ips_.next_deadline(), tcp_.next_deadline()); }

  // As Tcp::connect, from the address of ours that fits. Errors: also unavailable, when none does.
  Result<ConnectionName> connect(const IpAddress& remote, std::uint16_t port) {
    const IpAddress local = ips_.source_for(remote);
    if (!local.known()) {
      return fail(ErrorCode::unavailable, "the interface has no address to reach the peer from");
    }
    return tcp_.connect({local, remote, 0, port});
  }

  Tcp& tcp() { return tcp_; }
  const Tcp& tcp() const { return tcp_; }
  const IpLayers& ips() const { return ips_; }
  const IpLayer& ip(std::size_t port = 0) const { return ips_.at(port); }

 private:
  // Flows are looked for in so many frames beforehand, and connections fetched so many frames ahead
  // of their use.
  static constexpr std::size_t expected_max = 32;
  static constexpr std::size_t fetch_ahead = 4;

  void take(const IpLayer::Received& received, const Tcp::Expected* expected, Instant now,
            Events events) {
    if (const auto* segment = std::get_if<SegmentIn>(&received)) {
      tcp_.on_segment(*segment, expected, now, events);
    } else if (const auto* error = std::get_if<IcmpError>(&received)) {
      tcp_.on_icmp(*error, now, events);
    }
  }

  static Settings tcp_settings(const StackSettings& settings, const Segmentation& segmentation) {
    Settings tcp = settings.tcp;
    tcp.mtu = static_cast<std::uint32_t>(settings.network.mtu);
    tcp.segmentation = segmentation;
    return tcp;
  }

  IpLayers ips_;
  Tcp tcp_;
  std::array<Tcp::Expected, expected_max> expected_{};  // of the frames that are worked on
};

inline void Stack::receive(std::span<const FrameIn> frames, Instant now, Events events,
                           std::size_t port) {
  IpLayer& ip = ips_.at(port);
  if (frames.size() == 1 || !tcp_.fetches_ahead()) {
    for (const FrameIn& frame : frames) receive(frame.bytes, frame.hints, now, events, port);
    return;
  }
  while (!frames.empty()) {
    const auto some = frames.first(std::min(frames.size(), expected_max));
    for (std::size_t i = 0; i < some.size(); ++i) {
      ip.peek(some[i].bytes, expected_[i].flow);
      tcp_.expect(expected_[i]);
    }
    for (std::size_t i = 0; i < std::min(fetch_ahead, some.size()); ++i) tcp_.fetch(expected_[i]);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (i + fetch_ahead < some.size()) tcp_.fetch(expected_[i + fetch_ahead]);
      take(ip.receive(some[i].bytes, some[i].hints, now), &expected_[i], now, events);
    }
    frames = frames.subspan(some.size());
  }
}

}  // namespace godwit::dataplane::tcp
