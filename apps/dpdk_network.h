// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/packet_capture.h"
#include "base/random.h"
#include "base/result.h"
#include "control/config.h"
#include "dataplane/io/dpdk/dpdk_backend.h"
#include "dataplane/io/dpdk/eal.h"
#include "queues/stack_counters.h"

// Network devices under DPDK for a whole gateway, and each shard's end of them: every shard has a
// queue of every device, and one TCP above them.
//
// Thread safety: made and destroyed on one thread, before the shards and after them; what is const
// of it by any thread.

namespace godwit::apps {

class DpdkNetwork {
 public:
  // `config` has passed check_config. Errors: one line that says what is missing.
  static Result<std::unique_ptr<DpdkNetwork>> open(const control::Config& config,
                                                   std::uint16_t shards, RandomSource& random);
  DpdkNetwork(const DpdkNetwork&) = delete;
  DpdkNetwork& operator=(const DpdkNetwork&) = delete;

  // Of one shard; `random` outlives it.
  std::unique_ptr<dataplane::io::DpdkBackend> backend(std::uint16_t shard, RandomSource& random);
  // Each device, its link, addresses and counters, and the stack of each shard, for an operator.
  // Any thread.
  nlohmann::json ports() const;
  // For the metrics page: of each shard, and of each shard at each device. Any thread.
  std::vector<const queues::StackCounters*> counters() const;
  std::vector<queues::LabelledCounters<queues::PortCounters>> port_counters() const;
  // How a shard that sleeps is told of packets another has taken for it.
  void set_waker(std::uint16_t shard, const std::function<void()>& wake);
  // Control's thread.
  PacketCapture& capture() { return *capture_; }

 private:
  struct Port {
    std::string name;  // "net_tap0", "0000:03:00.0"
    std::string given;
    std::unique_ptr<dataplane::io::dpdk::EthernetDevice> device;
    dataplane::tcp::NetworkSettings network;
    std::unique_ptr<dataplane::io::dpdk::Steering> steering;
    std::vector<std::unique_ptr<queues::PortCounters>> counters;  // one a shard
  };

  static Result<Port> open_port(const control::Config& config, std::size_t index,
                                std::uint16_t shards, const dataplane::io::dpdk::Eal& eal);
  static Result<void> check_together(const std::vector<Port>& ports);
  DpdkNetwork(const control::Config& config, std::uint16_t shards, dataplane::io::dpdk::Eal eal,
              std::vector<Port> ports, RandomSource& random);
  std::string describe() const;
  nlohmann::json describe(const Port& port) const;
  nlohmann::json describe(std::uint16_t shard) const;

  const control::Config config_;
  const std::uint16_t shards_;
  const dataplane::io::dpdk::Eal eal_;
  std::vector<Port> ports_;
  std::vector<std::unique_ptr<queues::StackCounters>> counters_;  // one a shard, as the next
  std::vector<std::unique_ptr<dataplane::io::dpdk::Capture>> captures_;
  std::unique_ptr<PacketCapture> capture_;
};

}  // namespace godwit::apps
