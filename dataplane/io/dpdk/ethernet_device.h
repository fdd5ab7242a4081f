// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dataplane/tcp/ip/port.h"
#include "dataplane/tcp/wire/ethernet.h"

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mempool;

// A network device that DPDK drives: its queues, its addresses, its counters. A shard's own end of
// it is a DeviceQueue.
//
// Thread safety: opened, started and destroyed on one thread, before the shards and after them.
// What is const, link() and statistics() may be called by any thread.

namespace godwit::dataplane::io::dpdk {

std::string to_text(const tcp::MacAddress& mac);

struct DeviceOptions {
  std::string device;         // as given to the environment
  std::uint16_t shards = 1;   // a receive and a transmit queue for each, where the device has them
  std::uint16_t mtu = 1500;   // bytes of an IP packet
  bool segmentation = true;   // by the device, where it can
  std::uint16_t devices = 1;  // that share the environment's memory, this one included
};

// What the hardware does, so that the stack need not.
struct Offloads {
  bool rx_checksums = false;
  tcp::PortFeatures tx;
};

class EthernetDevice {
 public:
  // Descriptors of a queue in each direction. 1024 hold what a 25 Gbit/s port brings of small
  // packets in about 30 µs, longer than a turn.
  static constexpr std::uint16_t descriptors = 1024;
  static constexpr std::uint16_t burst_max = 32;
  // Buffers of the largest packet that is cut into segments: 65535 bytes and the frame's in the
  // smallest buffers, of 2048 bytes.
  static constexpr std::uint16_t chain_max = 33;
  // Buffers of a burst that leaves: of single ones, or of two packets that are cut.
  static constexpr std::uint32_t tx_buffers_max = std::max(2u * chain_max, 1u * burst_max);

  // Errors: not_found for a device the environment does not have, invalid for an MTU it cannot
  // carry, io with what it said.
  static Result<std::unique_ptr<EthernetDevice>> open(const DeviceOptions& options);
  ~EthernetDevice();
  EthernetDevice(const EthernetDevice&) = delete;
  EthernetDevice& operator=(const EthernetDevice&) = delete;

  std::uint16_t port() const { return port_; }
  std::uint16_t shards() const { return options_.shards; }
  std::uint16_t rx_queues() const { return rx_queues_; }
  std::uint16_t tx_queues() const { return tx_queues_; }
  // Each shard has a queue of its own and the hardware keeps a connection's packets on one; else
  // shards hand packets to each other.
  bool hardware_steering() const { return hardware_steering_; }
  bool rx_interrupts() const { return rx_interrupts_; }
  bool is_tap() const { return driver_ == "net_tap"; }
  const Offloads& offloads() const { return offloads_; }
  const tcp::MacAddress& mac() const { return mac_; }
  std::uint16_t mtu() const { return options_.mtu; }
  rte_mempool* pool(std::uint16_t shard) const { return pools_[shard]; }
  // Set while a shard sends on a queue that it shares; see DeviceQueue.
  std::atomic_flag& transmit_lock(std::uint16_t queue) { return transmit_locks_[queue]; }
  // Driver, queues, steering, offloads, for the log.
  std::string describe() const;

  struct Link {
    bool up = false;
    std::uint32_t megabits = 0;  // 0 when the driver does not know
  };
  Link link() const;
  // The driver's own counters by its names, for those who look after a network card.
  std::vector<std::pair<std::string, std::uint64_t>> statistics() const;

 private:
  EthernetDevice(const DeviceOptions& options, std::uint16_t port)
      : options_(options), port_(port) {}
  Result<void> prepare();
  Result<void> configure();
  void choose_offloads(const rte_eth_dev_info& info, rte_eth_conf& conf);
  tcp::Segmentation segmentation_of(const rte_eth_dev_info& info) const;
  std::uint32_t buffer_room() const;
  Result<void> make_pools();
  Result<void> set_up_queues();
  Result<void> begin();
  void choose_mac();

  const DeviceOptions options_;
  const std::uint16_t port_;
  std::string driver_;
  std::uint16_t rx_queues_ = 1;
  std::uint16_t tx_queues_ = 1;
  bool hardware_steering_ = false;
  bool rx_interrupts_ = false;
  bool running_ = false;
  Offloads offloads_;
  tcp::MacAddress mac_{};
  std::vector<rte_mempool*> pools_;  // one a shard
  std::unique_ptr<std::atomic_flag[]> transmit_locks_;
};

}  // namespace godwit::dataplane::io::dpdk
