// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "dataplane/io/dpdk/ethernet_device.h"

struct rte_mbuf;

// One shard's end of a device: packets in, in bursts, and packets out, gathered in bursts.
//
// A packet lies in DPDK's buffer while it is handled and no longer, for buffers kept from the
// receive ring starve it. A shard beyond the device's transmit queues shares one, and never waits
// for it: what it cannot send goes with the next flush, and what does not fit is dropped, as a
// network does.
//
// Thread safety: the owning shard's thread. attach() first, on that thread.

namespace godwit::dataplane::io::dpdk {

struct QueueCounters {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_dropped = 0;  // the transmit ring was full
  std::uint64_t no_buffers = 0;  // a packet to send found none
};

// What the hardware found of a packet.
struct RxFacts {
  bool checksums_good = false;
};

// What the hardware is to do to a packet, and where in it.
struct TxWork {
  bool ip_checksum = false;
  bool tcp_checksum = false;
  bool ipv6 = false;
  std::uint8_t ethernet_size = 14;
  std::uint8_t ip_size = 20;
  std::uint8_t tcp_size = 20;
};

class DeviceQueue {
 public:
  DeviceQueue(EthernetDevice& device, std::uint16_t shard);
  ~DeviceQueue();
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;

  // Makes the calling thread known to DPDK, so that its buffers come from a cache near the core.
  void attach();

  // Calls `handle(MutableBytes frame, RxFacts)` for at most about `budget` packets. Returns how
  // many there were.
  template <typename Handle>
  std::size_t receive(std::size_t budget, Handle&& handle);

  // Room for one packet to send, valid until send(); empty when there is no buffer.
  MutableBytes frame(std::size_t size);
  // Sends the first `size` bytes of it with the next flush, or earlier.
  void send(std::size_t size, const TxWork& work);
  void flush();
  bool unsent() const { return tx_count_ > 0; }

  // A descriptor that is readable when packets have come after arm(); negative where the driver
  // has none.
  int interrupt_descriptor() const { return interrupt_descriptor_; }
  // False when packets came meanwhile: poll again instead of sleeping.
  bool arm();
  void disarm();

  const QueueCounters& counters() const { return counters_; }

 private:
  std::uint16_t fetch(rte_mbuf** packets, std::size_t count);
  MutableBytes bytes_of(rte_mbuf* packet, RxFacts& facts);
  static void release(rte_mbuf* packet);
  std::uint16_t transmit();

  EthernetDevice& device_;
  const std::uint16_t shard_;
  const std::uint16_t tx_queue_;
  const bool shares_tx_;
  rte_mbuf* open_ = nullptr;  // handed out by frame()
  std::array<rte_mbuf*, EthernetDevice::burst_max> tx_{};
  std::uint16_t tx_count_ = 0;
  int interrupt_descriptor_ = -1;
  bool attached_ = false;
  QueueCounters counters_;
};

template <typename Handle>
std::size_t DeviceQueue::receive(std::size_t budget, Handle&& handle) {
  std::array<rte_mbuf*, EthernetDevice::burst_max> packets;
  std::size_t done = 0;
  while (done < budget) {
    const std::uint16_t count = fetch(packets.data(), packets.size());
    for (std::uint16_t i = 0; i < count; ++i) {
      RxFacts facts;
      const MutableBytes frame = bytes_of(packets[i], facts);
      if (!frame.empty()) handle(frame, facts);
      release(packets[i]);
    }
    done += count;
    if (count < packets.size()) break;
  }
  return done;
}

}  // namespace godwit::dataplane::io::dpdk
