// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "dataplane/tcp/ip/ip_layer.h"
#include "dataplane/tcp/tcp.h"

namespace godwit::dataplane::tcp {

struct StackSettings {
  NetworkSettings network;
  Settings tcp;  // its MTU is the network's
};

// A TCP/IP stack for one shard: frames and time in, frames and events out. The calls of a user are
// those of tcp(). The order of a turn: receive() for each frame, expire(), flush(); then the port
// sends what it has been given.
//
// Not thread safe; no I/O and no clock of its own.
class Stack {
 public:
  // `settings.network` passed check(). `port` and `random` outlive the stack.
  template <Port P>
  Stack(const StackSettings& settings, std::uint16_t shard, RandomSource& random, P& port)
      : Stack(settings, shard, random, PortView(port)) {}
  Stack(const StackSettings& settings, std::uint16_t shard, RandomSource& random, PortView port)
      : ip_(settings.network, port, random), tcp_(tcp_settings(settings), shard, random, ip_) {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Announces the addresses; once before the first turn.
  void start(Instant now) { ip_.start(now); }

  // `frame` may be overwritten, and is not needed any more afterwards.
  void receive(MutableBytes frame, RxHints hints, Instant now, Events events) {
    const IpLayer::Received received = ip_.receive(frame, hints, now);
    if (const auto* segment = std::get_if<SegmentIn>(&received)) {
      tcp_.on_segment(*segment, now, events);
    } else if (const auto* error = std::get_if<IcmpError>(&received)) {
      tcp_.on_icmp(*error, now, events);
    }
  }
  void expire(Instant now, Events events) {
    ip_.expire(now);
    tcp_.expire(now, events);
  }
  void flush(Instant now, Events events) { tcp_.flush(now, events); }
  Instant next_deadline() const { return std::min(ip_.next_deadline(), tcp_.next_deadline()); }

  // As Tcp::connect, from the address of ours that fits. Errors: also unavailable, when none does.
  Result<ConnectionName> connect(const IpAddress& remote, std::uint16_t port) {
    const IpAddress local = ip_.addresses().source_for(remote);
    if (!local.known()) {
      return fail(ErrorCode::unavailable, "the interface has no address to reach the peer from");
    }
    return tcp_.connect({local, remote, 0, port});
  }

  Tcp& tcp() { return tcp_; }
  const Tcp& tcp() const { return tcp_; }
  const IpLayer& ip() const { return ip_; }

 private:
  static Settings tcp_settings(const StackSettings& settings) {
    Settings tcp = settings.tcp;
    tcp.mtu = static_cast<std::uint32_t>(settings.network.mtu);
    return tcp;
  }

  IpLayer ip_;
  Tcp tcp_;
};

}  // namespace godwit::dataplane::tcp
