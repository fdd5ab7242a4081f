// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "control/config.h"
#include "dataplane/io/dpdk/dpdk_backend.h"
#include "dataplane/io/dpdk/eal.h"

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
  // How a shard that sleeps is told of packets another has taken for it.
  void set_waker(std::uint16_t shard, std::function<void()> wake) {
    steering_.set_waker(shard, std::move(wake));
  }
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
};

}  // namespace godwit::apps
