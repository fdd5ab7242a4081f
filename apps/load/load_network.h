// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/dpdk_network.h"
#include "apps/load/load_run.h"
#include "client/load/identities.h"

// What carries a load's bytes: the kernel's TCP over io_uring, or our own over a device of DPDK's,
// named as godwitd's is. Made and destroyed by the thread that runs the load; the threads end
// before it does.

namespace godwit::apps {

struct LoadNetworkOptions {
  bool dpdk = false;
  std::vector<control::Config::Port> ports{1};  // for dpdk, as godwitd takes them
  std::uint32_t memory_mb = 128;
  bool hugepages = true;
};

class LoadNetwork {
 public:
  // Errors: one line that says what is missing.
  static Result<std::unique_ptr<LoadNetwork>> open(const LoadNetworkOptions& options,
                                                   const LoadSettings& settings);
  // Started, one for each share of the connections. `identities` outlives them, and so does this.
  Result<LoadRun::Threads> threads(const LoadSettings& settings,
                                   const client::load::Identities& identities);

 private:
  SystemRandom random_;
  std::unique_ptr<DpdkNetwork> dpdk_;
};

}  // namespace godwit::apps
