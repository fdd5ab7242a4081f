// SPDX-License-Identifier: Apache-2.0
#include "apps/load/load_network.h"

#include <sys/resource.h>

#include <algorithm>

#include "dataplane/io/uring/uring_backend.h"

namespace godwit::apps {

using client::load::Flow;

namespace {

// Beside the connections: rings, files, the standard ones.
constexpr std::uint64_t spare_descriptors = 64;
// Connections of a crew that are still closing when the next ones begin.
constexpr std::uint32_t closing_connections = 1024;

// Who only registers leaves again, so that as many are there as may come at once.
std::uint64_t most_connected(const LoadSettings& settings) {
  if (settings.scenario != Scenario::register_ || settings.at_once == 0) {
    return settings.connections;
  }
  return std::min(settings.connections, settings.at_once + closing_connections);
}

Result<void> allow_descriptors(std::uint64_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return {};
  return fail(ErrorCode::limit, "the system allows " + std::to_string(limit.rlim_cur) +
                                    " descriptors and " + std::to_string(wanted) +
                                    " are needed: raise ulimit -n, or take fewer --connections");
}

// One batch of a closed flow is as good as another; where latency is what counts, nothing waits.
Duration gather_of(const LoadSettings& settings) {
  const double us = settings.gather_us >= 0                  ? settings.gather_us
                    : settings.flow.kind == Flow::Kind::open ? 0
                                                             : 50;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::micro>(us));
}

}  // namespace

Result<std::unique_ptr<LoadNetwork>> LoadNetwork::open(const LoadNetworkOptions& options,
                                                       const LoadSettings& settings) {
  auto network = std::make_unique<LoadNetwork>();
  if (!options.dpdk) {
    if (auto done = allow_descriptors(most_connected(settings) + spare_descriptors); !done) {
      return std::unexpected(done.error());
    }
    return network;
  }
  // Who shares a device cannot dial from it.
  if (settings.threads != 1) return fail(ErrorCode::invalid, "--io dpdk: one thread");
  control::Config config;
  config.io.backend = control::IoBackend::dpdk;
  config.server.listen = "0.0.0.0:0";  // nothing listens; the default is no address of the device
  config.io.ports = options.ports;
  config.io.memory_mb = options.memory_mb;
  config.io.hugepages = options.hugepages;
  config.limits.connections_max = settings.connections + closing_connections;
  if (const auto problems = control::check_config(config); !problems.empty()) {
    return fail(ErrorCode::invalid, problems.front());
  }
  auto opened = DpdkNetwork::open(config, 1, network->random_);
  if (!opened) return std::unexpected(opened.error());
  network->dpdk_ = std::move(*opened);
  return network;
}

Result<LoadRun::Threads> LoadNetwork::threads(const LoadSettings& settings,
                                              const client::load::Identities& identities) {
  LoadRun::Threads threads;
  std::uint32_t first = settings.first_account;
  for (const std::uint32_t count : shares(settings)) {
    const auto index = static_cast<std::uint16_t>(threads.size());
    const LoadThreadOptions options{
        .name = "load-" + std::to_string(index),
        .core = settings.cores.empty() ? -1 : settings.cores[index % settings.cores.size()],
        .server = settings.server,
        .sources = settings.sources,
        .gather = gather_of(settings),
        .never_sleeps = settings.poll,
        .crew = {.shape = settings.shape,
                 .count = count,
                 .first = first,
                 .identities = identities,
                 .domain = settings.domain,
                 .payload_size = settings.payload_size,
                 .first_id = settings.first_id,
                 .seed = settings.seed}};
    first += count;
    if (dpdk_) {
      threads.push_back(std::make_unique<LoadThreadOf<dataplane::io::DpdkBackend>>(
          options, dpdk_->backend(index, random_)));
    } else {
      using dataplane::io::UringBackend;
      threads.push_back(std::make_unique<LoadThreadOf<UringBackend>>(
          options, std::make_unique<UringBackend>(UringBackend::Options{
                       .shard = index, .connections_max = count + closing_connections})));
    }
    if (auto done = threads.back()->start(); !done) return std::unexpected(done.error());
  }
  return threads;
}

}  // namespace godwit::apps
