// SPDX-License-Identifier: Apache-2.0
#include "bench/dataplane/tcp/pair.h"

#include <algorithm>
#include <numeric>

#include "bench/dataplane/tcp/cpu_time.h"

namespace godwit::bench {

namespace {

constexpr std::uint16_t client_port_first = 1024;
constexpr Duration turn_time = std::chrono::microseconds(10);

IpAddress server_address(bool v6) {
  return *parse_ip_address(v6 ? "2001:db8::1" : "192.0.2.1");
}
IpAddress client_address(bool v6) {
  return *parse_ip_address(v6 ? "2001:db8::2" : "192.0.2.2");
}

}  // namespace

tcp::StackSettings settings_of(const Pair::Options& options, bool server) {
  tcp::StackSettings settings;
  settings.network.mac = server ? Pair::server_mac() : Pair::client_mac();
  for (std::uint32_t i = 1; server && i < options.addresses; ++i) {
    settings.network.addresses.push_back(
        *parse_ip_prefix("192.0.2." + std::to_string(100 + i) + "/24"));
  }
  settings.network.addresses.push_back(*parse_ip_prefix(server ? "192.0.2.1/24" : "192.0.2.2/24"));
  if (options.v6) {
    settings.network.addresses.push_back(
        *parse_ip_prefix(server ? "2001:db8::1/64" : "2001:db8::2/64"));
  }
  // Answers to strangers leave by the same wire, where nobody takes them.
  if (server) settings.network.routes = {{*parse_ip_prefix("0.0.0.0/0"), client_address(false)}};
  settings.tcp.connections_max = std::max(options.connections, 1024u) + 64;
  settings.tcp.syn_cache_max = options.syn_cache;
  return settings;
}

Pair::Pair(const Options& options)
    : options_(options),
      to_server_(options.offload),
      to_client_(options.offload),
      server_(settings_of(options, true), 1, random_, to_client_),
      client_(settings_of(options, false), 2, random_, to_server_) {
  echo_.tcp = &server_.tcp();
  clients_.tcp = &client_.tcp();
  clients_.close_at_once = options.close_at_once;
  for (std::uint32_t port = 0; port < server_ports; ++port) {
    const auto number = static_cast<std::uint16_t>(server_port_first + port);
    GODWIT_CHECK(server_.tcp().listen({}, number).has_value());
  }
  server_.start(now_);
  client_.start(now_);
  for (int i = 0; i < 4; ++i) turn();
}

tcp::Flow Pair::flow_of(std::uint32_t index, bool v6) {
  return {client_address(v6), server_address(v6),
          static_cast<std::uint16_t>(client_port_first + index / server_ports),
          static_cast<std::uint16_t>(server_port_first + index % server_ports)};
}

void Pair::open_all() {
  names_.reserve(options_.connections);
  // The first one alone: the two ends learn each other's link address.
  for (std::uint32_t begun = 0; begun < options_.connections;) {
    const std::uint32_t some = begun == 0 ? 1 : static_cast<std::uint32_t>(batch);
    for (std::uint32_t i = 0; i < some && begun < options_.connections; ++i, ++begun) {
      const auto name = client_.tcp().connect(flow_of(begun, options_.v6));
      GODWIT_CHECK(name.has_value());
      names_.push_back(*name);
    }
    client_turn();
    for (int i = 0; i < 3; ++i) turn();
  }
  for (int i = 0; i < 8; ++i) turn();
  GODWIT_CHECK(clients_.opened == options_.connections);
}

void Pair::exchange(std::uint32_t first, std::uint32_t count, Bytes message) {
  constexpr std::uint64_t stride = 611'953;  // a prime
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t place = (first + i) * stride % options_.connections;
    GODWIT_CHECK(client_.tcp().send(names_[place], {&message, 1}) == message.size());
  }
  client_turn();
  turn();
}

void Pair::turn() {
  const CpuTime start = cpu_time();
  const std::uint64_t arrived = to_server_.size();
  server_receive();
  const CpuTime received = cpu_time();
  server_.expire(now_, echo_);
  const CpuTime expired = cpu_time();
  server_flush();
  const CpuTime end = cpu_time();
  cost_.in_ns += ns_between(start, received);
  cost_.timer_ns += ns_between(received, expired);
  cost_.out_ns += ns_between(expired, end);
  cost_.frames_in += arrived;
  cost_.frames_out += to_client_.size();
  GODWIT_CHECK(to_server_.lost() + to_client_.lost() == 0);
  client_turn();
}

// These two are what callgrind is told to count (instructions).
void Pair::server_receive() {
  // In bursts as a device has them.
  constexpr std::size_t burst = 64;
  std::array<tcp::FrameIn, burst> frames;
  for (std::size_t first = 0; first < to_server_.size(); first += burst) {
    const std::size_t count = std::min(burst, to_server_.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      frames[i] = {to_server_[first + i], to_server_.hints()};
    }
    server_.receive(std::span(frames).first(count), now_, echo_);
  }
  to_server_.clear();
}

void Pair::server_flush() {
  server_.flush(now_, echo_);
}

void Pair::client_turn() {
  for (std::size_t i = 0; i < to_client_.size(); ++i) {
    client_.receive(to_client_[i], to_client_.hints(), now_, clients_);
  }
  to_client_.clear();
  client_.expire(now_, clients_);
  client_.flush(now_, clients_);
  now_ += turn_time;
}

}  // namespace godwit::bench
