// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/clock.h"
#include "dataplane/io/dpdk/ethernet_device.h"
#include "dataplane/io/dpdk/queue_counters.h"
#include "dataplane/io/dpdk/steering.h"
#include "dataplane/tcp/ip/port.h"

struct rte_mbuf;

// One shard's end of a device: packets in, in bursts, and packets out, gathered in bursts.
//
// A packet lies in DPDK's buffer while its burst is handled and no longer, for buffers kept from
// the receive ring starve it. A shard beyond the device's transmit queues shares one, and never
// waits for it: what it cannot send goes with the next flush, and what does not fit is dropped, as
// a network does. What a device without a link holds back keeps nobody awake.
//
// With several shards a packet may be another's, and goes to it by a ring (see steering.h).
//
// Thread safety: the owning shard's thread. attach() first, on that thread.

namespace godwit::dataplane::io::dpdk {

class DeviceQueue {
 public:
  // `steering` of a device with several shards; both outlive the queue.
  DeviceQueue(EthernetDevice& device, std::uint16_t shard, Steering* steering = nullptr);
  ~DeviceQueue();
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;

  // Makes the calling thread known to DPDK, so that its buffers come from a cache near the core.
  void attach();

  // Calls `handle(std::span<const tcp::FrameIn>)` for what came together, at most about `budget`
  // packets in all. Returns how many there were, those of other shards included.
  template <typename Handle>
  std::size_t receive(std::size_t budget, Handle&& handle);

  // As tcp::Port. What was sent leaves with flush(), or earlier.
  tcp::PortFeatures features() const { return device_.offloads().tx; }
  MutableBytes frame(std::size_t size);
  void send(const tcp::TxHints& hints);
  // As tcp::CuttingPort.
  bool append(std::span<const Bytes> pieces);
  void flush();
  // Something waits for the next flush, which is worth making soon.
  bool unsent() const { return tx_count_ > 0 && stalled_ < stalled_max; }

  // A descriptor that is readable when packets have come since arm(); negative where the driver
  // has none. heard() after each time it was.
  int interrupt_descriptor() const { return interrupts_; }
  // False when packets came meanwhile: poll again instead of sleeping.
  bool arm();
  void disarm();
  void heard();

  const QueueCounters& counters() const { return counters_; }

 private:
  using Burst = std::array<rte_mbuf*, EthernetDevice::burst_max>;
  // Flushes in a row that sent nothing: about a millisecond of turns that do nothing else. A ring
  // that is full has room again sooner, so the device has no link.
  static constexpr std::uint32_t stalled_max = 1024;

  void open_interrupts();
  std::size_t fetch(Burst& packets);
  std::size_t fetch_steered(Burst& packets);
  // Hands on what is for others; what is left, moved to the front.
  std::size_t steer(Burst& packets, std::size_t count);
  void hand_to(std::uint16_t shard, rte_mbuf* packet);
  void wake_others();
  template <typename Handle>
  void handle_all(Burst& packets, std::size_t count, Handle& handle);
  MutableBytes bytes_of(rte_mbuf* packet, tcp::RxHints& hints);
  static void release(rte_mbuf* packet);
  static void prefetch(rte_mbuf* packet);
  std::uint16_t transmit();
  bool prepare_cutting(rte_mbuf* packet, const tcp::TxHints& hints);
  bool has_room_for(const rte_mbuf& packet) const;

  EthernetDevice& device_;
  const std::uint16_t shard_;
  Steering* const steering_;
  const std::uint16_t tx_queue_;
  const bool shares_tx_;
  std::array<tcp::FrameIn, EthernetDevice::burst_max> frames_{};  // that are being handled
  rte_mbuf* open_ = nullptr;                                      // handed out by frame()
  Burst tx_{};
  std::uint16_t tx_count_ = 0;
  std::uint32_t tx_buffers_ = 0;  // of these packets
  std::uint32_t stalled_ = 0;
  int interrupts_ = -1;  // an epoll descriptor, or a tap's own
  bool attached_ = false;
  QueueCounters counters_;
};
static_assert(tcp::CuttingPort<DeviceQueue>);

template <typename Handle>
void DeviceQueue::handle_all(Burst& packets, std::size_t count, Handle& handle) {
  std::size_t good = 0;
  for (std::size_t i = 0; i < count; ++i) {
    tcp::FrameIn& frame = frames_[good];
    frame.bytes = bytes_of(packets[i], frame.hints);
    if (!frame.bytes.empty()) ++good;
  }
  if (good > 0) handle(std::span<const tcp::FrameIn>(frames_).first(good));
  for (std::size_t i = 0; i < count; ++i) release(packets[i]);
}

template <typename Handle>
std::size_t DeviceQueue::receive(std::size_t budget, Handle&& handle) {
  Burst packets;
  std::size_t done = 0;
  while (steering_ != nullptr && done < budget) {
    const std::size_t count = fetch_steered(packets);
    if (count == 0) break;
    handle_all(packets, count, handle);
    done += count;
  }
  while (done < budget) {
    const std::size_t count = fetch(packets);
    handle_all(packets, steering_ != nullptr ? steer(packets, count) : count, handle);
    done += count;
    if (count < packets.size()) break;
  }
  if (steering_ != nullptr) wake_others();
  return done;
}

}  // namespace godwit::dataplane::io::dpdk
