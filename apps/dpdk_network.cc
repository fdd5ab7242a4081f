// SPDX-License-Identifier: Apache-2.0
#include "apps/dpdk_network.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace godwit::apps {

namespace dpdk = dataplane::io::dpdk;
namespace tcp = dataplane::tcp;
using nlohmann::json;

namespace {

static_assert(control::io_ports_max == tcp::ports_max);
static_assert(control::io_ports_max == dpdk::PacketSleep::descriptors_max);

// Of all queues of one shard's connections, both ways; as over io_uring.
constexpr std::size_t queue_bytes = std::size_t{256} << 20;

tcp::NetworkSettings network_of(const control::Config::Port& port, const tcp::MacAddress& mac) {
  tcp::NetworkSettings network;
  network.mac = mac;
  network.mtu = port.mtu;
  if (port.vlan != 0) network.vlan = static_cast<std::uint16_t>(port.vlan);
  // check_config has read them all.
  network.addresses = *parse_ip_prefixes(port.addresses);
  network.routes = *parse_ip_routes(port.routes);
  const auto gateways = *parse_ip_prefixes(port.gateway);
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

// Of metrics that differ in a label: its value behind the name.
std::string key_of(const queues::MetricInfo& info) {
  std::string name(info.name);
  if (!info.label.empty()) {
    const std::size_t from = info.label.find('"') + 1;
    name += "_" + std::string(info.label.substr(from, info.label.size() - 1 - from));
  }
  return name;
}

// Adds to what `row` has.
template <typename Infos, typename Source>
void put_counters(json& row, const Infos& infos, const Source& counters) {
  for (std::size_t i = 0; i < infos.size(); ++i) {
    json& value = row[key_of(infos[i])];
    if (value.is_null()) value = std::uint64_t{0};
    value =
        value.template get<std::uint64_t>() + counters.get(static_cast<typename Source::Which>(i));
  }
}

}  // namespace

Result<DpdkNetwork::Port> DpdkNetwork::open_port(const control::Config& config, std::size_t index,
                                                 std::uint16_t shards, const dpdk::Eal& eal) {
  const control::Config::Port& wanted = config.io.ports[index];
  auto device =
      dpdk::EthernetDevice::open({.device = wanted.device,
                                  .shards = shards,
                                  .mtu = static_cast<std::uint16_t>(wanted.mtu),
                                  .segmentation = wanted.segmentation,
                                  .devices = static_cast<std::uint16_t>(config.io.ports.size())});
  if (!device) {
    Error error = device.error();
    if (error.code == ErrorCode::not_found && !eal.complaints().empty()) {
      error.message += " (DPDK: " + eal.complaints() + ")";
    }
    return std::unexpected(std::move(error));
  }
  Port port;
  port.name = wanted.device.substr(0, wanted.device.find(','));
  port.given = wanted.device;
  port.network = network_of(wanted, (*device)->mac());
  port.device = std::move(*device);
  return port;
}

// What is known only now that the devices are there: their MAC addresses.
Result<void> DpdkNetwork::check_together(const std::vector<Port>& ports) {
  std::vector<tcp::NetworkSettings> networks;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    networks.push_back(ports[i].network);
    for (std::size_t before = 0; before < i; ++before) {
      if (ports[i].network.mac != ports[before].network.mac) continue;
      return fail(ErrorCode::invalid,
                  ports[before].name + " and " + ports[i].name + " have the same MAC address, " +
                      dpdk::to_text(ports[i].network.mac) + ": give one of them another");
    }
  }
  return tcp::check(networks);
}

Result<std::unique_ptr<DpdkNetwork>> DpdkNetwork::open(const control::Config& config,
                                                       std::uint16_t shards, RandomSource& random) {
  dpdk::EalOptions options{.memory_mb = config.io.memory_mb, .hugepages = config.io.hugepages};
  for (const auto& port : config.io.ports) options.devices.push_back(port.device);
  auto eal = dpdk::Eal::start(options);
  if (!eal) return std::unexpected(eal.error());
  std::vector<Port> ports;
  for (std::size_t i = 0; i < config.io.ports.size(); ++i) {
    auto port = open_port(config, i, shards, *eal);
    if (!port) return std::unexpected(port.error());
    ports.push_back(std::move(*port));
  }
  if (auto checked = check_together(ports); !checked) return std::unexpected(checked.error());
  return std::unique_ptr<DpdkNetwork>(
      new DpdkNetwork(config, shards, std::move(*eal), std::move(ports), random));
}

DpdkNetwork::DpdkNetwork(const control::Config& config, std::uint16_t shards, dpdk::Eal eal,
                         std::vector<Port> ports, RandomSource& random)
    : config_(config), shards_(shards), eal_(std::move(eal)), ports_(std::move(ports)) {
  const auto hash = std::make_shared<const tcp::FlowHash>(random);
  for (Port& port : ports_) {
    const dpdk::Steering::Options options{.shards = shards,
                                          .by_hash = !port.device->hardware_steering(),
                                          .listening = listening_port(config)};
    port.steering = std::make_unique<dpdk::Steering>(options, hash);
    for (std::uint16_t i = 0; i < shards; ++i) {
      port.counters.push_back(std::make_unique<queues::PortCounters>());
    }
  }
  std::vector<dpdk::Capture*> captures;
  for (std::uint16_t i = 0; i < shards; ++i) {
    counters_.push_back(std::make_unique<queues::StackCounters>());
    captures_.push_back(std::make_unique<dpdk::Capture>());
    captures.push_back(captures_.back().get());
  }
  capture_ = std::make_unique<PacketCapture>(std::move(captures), ports_.size());
}

void DpdkNetwork::set_waker(std::uint16_t shard, const std::function<void()>& wake) {
  for (Port& port : ports_) port.steering->set_waker(shard, wake);
}

std::vector<const queues::StackCounters*> DpdkNetwork::counters() const {
  std::vector<const queues::StackCounters*> all;
  for (const auto& one : counters_) all.push_back(one.get());
  return all;
}

std::vector<queues::LabelledCounters<queues::PortCounters>> DpdkNetwork::port_counters() const {
  std::vector<queues::LabelledCounters<queues::PortCounters>> all;
  for (const Port& port : ports_) {
    for (std::size_t shard = 0; shard < port.counters.size(); ++shard) {
      all.push_back({"shard=\"" + std::to_string(shard) + "\",port=\"" + port.name + "\"",
                     port.counters[shard].get()});
    }
  }
  return all;
}

std::string DpdkNetwork::describe() const {
  std::string text = "DPDK: ";
  for (const Port& port : ports_)
    text += port.device->describe() + (ports_.size() > 1 ? "; " : ", ");
  return text + eal_.describe();
}

json DpdkNetwork::describe(const Port& port) const {
  const auto link = port.device->link();
  json addresses = json::array();
  for (const IpPrefix& prefix : port.network.addresses) {
    const int bits = prefix.address.is_v4() ? prefix.bits - 96 : prefix.bits;
    addresses.push_back(to_text(prefix.address) + "/" + std::to_string(bits));
  }
  json statistics = json::object();
  for (const auto& [name, value] : port.device->statistics()) statistics[name] = value;
  json shards = json::array();
  for (const auto& counters : port.counters) {
    json row{{"shard", shards.size()}};
    put_counters(row, queues::port_metrics, *counters);
    shards.push_back(std::move(row));
  }
  return {{"port", port.name},
          {"device", port.given},
          {"description", port.device->describe()},
          {"mac", dpdk::to_text(port.device->mac())},
          {"mtu", port.device->mtu()},
          {"link", link.up ? "up" : "down"},
          {"megabits", link.megabits},
          {"addresses", std::move(addresses)},
          {"statistics", std::move(statistics)},
          {"shards", std::move(shards)}};
}

// Of all ports together.
json DpdkNetwork::describe(std::uint16_t shard) const {
  json row{{"shard", shard}};
  for (const Port& port : ports_) put_counters(row, queues::port_metrics, *port.counters[shard]);
  put_counters(row, queues::stack_metrics, *counters_[shard]);
  row["frames_not_captured"] = captures_[shard]->lost();
  return row;
}

json DpdkNetwork::ports() const {
  json ports = json::array();
  json shards = json::array();
  for (const Port& port : ports_) ports.push_back(describe(port));
  for (std::uint16_t shard = 0; shard < shards_; ++shard) shards.push_back(describe(shard));
  return {{"ports", std::move(ports)}, {"shards", std::move(shards)}};
}

std::unique_ptr<dataplane::io::DpdkBackend> DpdkNetwork::backend(std::uint16_t shard,
                                                                 RandomSource& random) {
  dataplane::io::DpdkBackend::Options options{
      .shard = shard,
      .stack = {.network = ports_.front().network, .tcp = {}},
      .description = describe(),
      .counters = counters_[shard].get(),
      .capture = captures_[shard].get()};
  std::vector<std::unique_ptr<dpdk::DeviceQueue>> queues;
  for (Port& port : ports_) {
    if (!queues.empty()) options.stack.more_networks.push_back(port.network);
    options.port_counters.push_back(port.counters[shard].get());
    queues.push_back(std::make_unique<dpdk::DeviceQueue>(*port.device, shard, port.steering.get()));
  }
  if (shards_ > 1) {
    // All ports have one hash.
    options.owns = [this, shard](const tcp::Flow& flow) {
      return ports_.front().steering->owner_of(flow) == shard;
    };
  }
  options.stack.tcp.connections_max = config_.limits.connections_max;
  options.stack.tcp.buffer_bytes = queue_bytes;
  return std::make_unique<dataplane::io::DpdkBackend>(options, std::move(queues), random);
}

}  // namespace godwit::apps
