// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "bench/generator/traffic_client.h"
#include "client/load/load_client.h"

// The load's client of the gateway, and of the bare relay, as Load drives it. Not thread safe.

namespace godwit::bench {

using client::load::load_payload_size_max;
using client::load::load_payload_size_min;
using client::load::LoadAccount;
using client::load::LoadClient;
using client::load::make_accounts;

// Makes the client of a slot; slots 2n and 2n+1 are partners.
using ClientFactory = std::function<std::unique_ptr<TrafficClient>(std::uint32_t slot)>;

class GatewayClient final : public TrafficClient {
 public:
  enum class Server : std::uint8_t { gateway, relay };
  GatewayClient(const LoadClient::Options& options, Server server, RandomSource& random);

  Result<unsigned> on_bytes(MutableBytes bytes) override { return client_.on_bytes(bytes); }
  void write(unsigned messages) override { client_.write_frame(messages); }
  bool ready() const override { return client_.reached_goal(); }
  bool ack_due() const override { return client_.ack_due(); }
  bool settled() const override { return client_.settled(); }
  std::uint64_t frames_sent() const override { return client_.frames_sent(); }
  void ping() override { client_.write_ping(); }
  unsigned pongs() const override { return client_.pongs(); }
  std::vector<std::uint8_t>& output() override { return client_.output(); }

 private:
  LoadClient client_;
};

struct GatewayClients {
  GatewayClient::Server server = GatewayClient::Server::gateway;
  LoadClient::Goal goal = LoadClient::Goal::log_in;
  std::span<LoadAccount> accounts;  // outlive the clients
  std::string domain = "localhost";
  protocol::HandshakePattern pattern = protocol::HandshakePattern::xx_hfs;
  std::size_t payload_size = 100;  // load_payload_size_min … max
};
// `random` outlives the clients; the factory too.
ClientFactory gateway_clients(const GatewayClients& options, RandomSource& random);

}  // namespace godwit::bench
