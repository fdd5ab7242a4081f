// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "dataplane/tcp/flow_hash.h"
#include "dataplane/tcp/wire/ip.h"
#include "queues/spsc_ring.h"

struct rte_mbuf;

// Which shard a packet is for, and the rings by which it gets there.
//
// Packets of a connection are its owner's: the shard the hardware gave them to, or, where the
// hardware does not keep a connection in one place, the one that a keyed hash of its addresses and
// ports names (keyed, so that nobody can aim at a shard). Connections that we open are always by
// hash, for nobody knows beforehand where the hardware would give their answers; the shard that
// opens one takes a port that makes it the owner. Questions of the network (ARP, neighbour
// discovery, echo) are the first shard's to answer. Its answers, and errors, are for all: each
// shard has neighbours and paths of its own.
//
// Thread safety: owner_of() any thread; a ring by its two shards, as queues/spsc_ring.h says.

namespace godwit::dataplane::io::dpdk {

class Steering {
 public:
  static constexpr std::uint16_t everyone = 0xffff;
  // Packets on their way from one shard to another: eight bursts.
  static constexpr std::size_t ring_capacity = 256;
  // Of our end of connections that we open.
  static constexpr std::uint16_t dial_port_first = 32768;
  static constexpr std::uint16_t dial_port_last = 60999;

  struct Options {
    std::uint16_t shards = 1;
    bool by_hash = false;  // the hardware does not keep a connection in one place
    // Where we are connected to, which nobody dials from: else, should it be one of the ports
    // above, the hardware's choice would be lost on it.
    std::uint16_t listening = 0;
  };
  Steering(const Options& options, RandomSource& random)
      : Steering(options, std::make_shared<const tcp::FlowHash>(random)) {}
  // With a hash that devices share, so that a connection has one owner whichever it comes by.
  Steering(const Options& options, std::shared_ptr<const tcp::FlowHash> hash);

  // Of a frame that shard `receiver` took from the device: a shard, or everyone.
  std::uint16_t owner_of(MutableBytes frame, std::uint16_t receiver) const;
  // Of a connection, when it is by hash or opened by us.
  std::uint16_t owner_of(const tcp::Flow& flow) const {
    return static_cast<std::uint16_t>(hash_->place(flow) % options_.shards);
  }

  std::uint16_t shards() const { return options_.shards; }
  bool by_hash() const { return options_.by_hash; }
  queues::SpscRing<rte_mbuf*>& ring(std::uint16_t from, std::uint16_t to) {
    return *rings_[std::size_t{from} * options_.shards + to];
  }
  // How a sleeping shard is told that a ring has something; set before the shards start.
  void set_waker(std::uint16_t shard, std::function<void()> wake) {
    wakers_[shard] = std::move(wake);
  }
  void wake(std::uint16_t shard) const {
    if (wakers_[shard]) wakers_[shard]();
  }

 private:
  bool is_dialled(std::uint16_t port) const {
    return port >= dial_port_first && port <= dial_port_last && port != options_.listening;
  }
  std::uint16_t owner_of_packet(const tcp::IpPacket& packet, std::uint16_t receiver) const;

  const Options options_;
  const std::shared_ptr<const tcp::FlowHash> hash_;
  std::vector<std::unique_ptr<queues::SpscRing<rte_mbuf*>>> rings_;
  std::vector<std::function<void()>> wakers_;
};

}  // namespace godwit::dataplane::io::dpdk
