// SPDX-License-Identifier: Apache-2.0
#include "apps/dpdk_network.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace godwit::apps {

namespace dpdk = dataplane::io::dpdk;
namespace tcp = dataplane::tcp;

namespace {

// Of all queues of one shard's connections, both ways; as over io_uring.
constexpr std::size_t queue_bytes = std::size_t{256} << 20;

tcp::NetworkSettings network_of(const control::Config::Io& io, const tcp::MacAddress& mac) {
  tcp::NetworkSettings network;
  network.mac = mac;
  network.mtu = io.mtu;
  if (io.vlan != 0) network.vlan = static_cast<std::uint16_t>(io.vlan);
  // check_config has read them all.
  network.addresses = *parse_ip_prefixes(io.addresses);
  network.routes = *parse_ip_routes(io.routes);
  const auto gateways = *parse_ip_prefixes(io.gateway);
  for (const IpPrefix& gateway : gateways) {
    const bool v4 = gateway.address.is_v4();
    network.routes.push_back({*parse_ip_prefix(v4 ? "0.0.0.0/0" : "::/0"), gateway.address});
  }
  return network;
}

std::uint16_t listening_port(const control::Config& config) {
  const auto listen = control::parse_host_port(config.server.listen);
  return listen ? listen->port : std::uint16_t{0};
}

}  // namespace

Result<std::unique_ptr<DpdkNetwork>> DpdkNetwork::open(const control::Config& config,
                                                       std::uint16_t shards, RandomSource& random) {
  auto eal = dpdk::Eal::start({.devices = {config.io.device},
                               .memory_mb = config.io.memory_mb,
                               .hugepages = config.io.hugepages});
  if (!eal) return std::unexpected(eal.error());
  auto device = dpdk::EthernetDevice::open({.device = config.io.device,
                                            .shards = shards,
                                            .mtu = static_cast<std::uint16_t>(config.io.mtu)});
  if (!device) {
    Error error = device.error();
    if (error.code == ErrorCode::not_found && !eal->complaints().empty()) {
      error.message += " (DPDK: " + eal->complaints() + ")";
    }
    return std::unexpected(std::move(error));
  }
  auto network = network_of(config.io, (*device)->mac());
  if (auto checked = tcp::check(network); !checked) return std::unexpected(checked.error());
  return std::unique_ptr<DpdkNetwork>(
      new DpdkNetwork(config, std::move(*eal), std::move(*device), std::move(network), random));
}

DpdkNetwork::DpdkNetwork(const control::Config& config, dpdk::Eal eal,
                         std::unique_ptr<dpdk::EthernetDevice> device, tcp::NetworkSettings network,
                         RandomSource& random)
    : config_(config),
      eal_(std::move(eal)),
      device_(std::move(device)),
      network_(std::move(network)),
      steering_({.shards = device_->shards(),
                 .by_hash = !device_->hardware_steering(),
                 .listening = listening_port(config)},
                random) {
  for (std::uint16_t i = 0; i < device_->shards(); ++i) {
    counters_.push_back(std::make_unique<queues::StackCounters>());
    captures_.push_back(std::make_unique<dpdk::Capture>());
  }
  std::vector<dpdk::Capture*> captures;
  for (const auto& one : captures_) captures.push_back(one.get());
  capture_ = std::make_unique<PacketCapture>(std::move(captures));
}

std::vector<const queues::StackCounters*> DpdkNetwork::counters() const {
  std::vector<const queues::StackCounters*> all;
  for (const auto& one : counters_) all.push_back(one.get());
  return all;
}

nlohmann::json DpdkNetwork::ports() const {
  using nlohmann::json;
  const auto link = device_->link();
  json addresses = json::array();
  for (const IpPrefix& prefix : network_.addresses) {
    const int bits = prefix.address.is_v4() ? prefix.bits - 96 : prefix.bits;
    addresses.push_back(to_text(prefix.address) + "/" + std::to_string(bits));
  }
  json statistics = json::object();
  for (const auto& [name, value] : device_->statistics()) statistics[name] = value;
  json shards = json::array();
  for (const auto& counters : counters_) {
    json row{{"shard", shards.size()}};
    for (std::size_t i = 0; i < queues::stack_metrics.size(); ++i) {
      // Of those that differ in a label: its value behind the name.
      const queues::MetricInfo& info = queues::stack_metrics[i];
      std::string name(info.name);
      if (!info.label.empty()) {
        const std::size_t from = info.label.find('"') + 1;
        name += "_" + std::string(info.label.substr(from, info.label.size() - 1 - from));
      }
      row[name] = counters->get(static_cast<queues::StackMetric>(i));
    }
    row["frames_not_captured"] = captures_[shards.size()]->lost();
    shards.push_back(std::move(row));
  }
  json port{{"device", config_.io.device},          {"description", device_->describe()},
            {"mac", dpdk::to_text(device_->mac())}, {"mtu", device_->mtu()},
            {"link", link.up ? "up" : "down"},      {"megabits", link.megabits},
            {"addresses", std::move(addresses)},    {"statistics", std::move(statistics)}};
  return {{"ports", json::array({std::move(port)})}, {"shards", std::move(shards)}};
}

std::unique_ptr<dataplane::io::DpdkBackend> DpdkNetwork::backend(std::uint16_t shard,
                                                                 RandomSource& random) {
  dataplane::io::DpdkBackend::Options options{
      .shard = shard,
      .stack = {.network = network_, .tcp = {}},
      .description = "DPDK: " + device_->describe() + ", " + eal_.describe(),
      .counters = counters_[shard].get(),
      .capture = captures_[shard].get()};
  if (device_->shards() > 1) {
    options.owns = [this, shard](const tcp::Flow& flow) {
      return steering_.owner_of(flow) == shard;
    };
  }
  options.stack.tcp.connections_max = config_.limits.connections_max;
  options.stack.tcp.buffer_bytes = queue_bytes;
  return std::make_unique<dataplane::io::DpdkBackend>(
      options, std::make_unique<dpdk::DeviceQueue>(*device_, shard, &steering_), random);
}

}  // namespace godwit::apps
