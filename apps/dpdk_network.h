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

// A network device under DPDK for a whole gateway, and each shard's end of it.
//
// Thread safety: made and destroyed on one thread, before the shards and after them; device() and
// what is const of it by any thread.

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
  // The device, its link, addresses and counters, and the stack of each shard, for an operator.
  // Any thread.
  nlohmann::json ports() const;
  // Of each shard, for the metrics page. Any thread.
  std::vector<const queues::StackCounters*> counters() const;
  // How a shard that sleeps is told of packets another has taken for it.
  void set_waker(std::uint16_t shard, std::function<void()> wake) {
    steering_.set_waker(shard, std::move(wake));
  }
  // Control's thread.
  PacketCapture& capture() { return *capture_; }
  const dataplane::io::dpdk::EthernetDevice& device() const { return *device_; }

 private:
  DpdkNetwork(const control::Config& config, dataplane::io::dpdk::Eal eal,
              std::unique_ptr<dataplane::io::dpdk::EthernetDevice> device,
              dataplane::tcp::NetworkSettings network, RandomSource& random);

  const control::Config config_;
  const dataplane::io::dpdk::Eal eal_;
  const std::unique_ptr<dataplane::io::dpdk::EthernetDevice> device_;
  const dataplane::tcp::NetworkSettings network_;
  dataplane::io::dpdk::Steering steering_;
  std::vector<std::unique_ptr<queues::StackCounters>> counters_;  // one a shard, as the next
  std::vector<std::unique_ptr<dataplane::io::dpdk::Capture>> captures_;
  std::unique_ptr<PacketCapture> capture_;
};

}  // namespace godwit::apps
