// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/gateway_client.h"

#include "bench/relay_wire.h"

namespace godwit::bench {

namespace {

LoadClient make_client(const LoadClient::Options& options, GatewayClient::Server server,
                       RandomSource& random) {
  if (server == GatewayClient::Server::gateway) return {options, random};
  return {options, relay_session(options.account.number)};
}

}  // namespace

GatewayClient::GatewayClient(const LoadClient::Options& options, Server server,
                             RandomSource& random)
    : client_(make_client(options, server, random)) {}

ClientFactory gateway_clients(const GatewayClients& options, RandomSource& random) {
  GODWIT_CHECK(options.payload_size >= load_payload_size_min &&
               options.payload_size <= load_payload_size_max);
  // Clients refer to both.
  auto kept = std::make_shared<const GatewayClients>(options);
  auto payload = std::make_shared<const std::vector<std::uint8_t>>(options.payload_size, 0x5a);
  return [kept, payload, &random](std::uint32_t slot) {
    return std::make_unique<GatewayClient>(
        LoadClient::Options{.goal = kept->goal,
                            .account = kept->accounts[slot],
                            .partner = kept->accounts[slot ^ 1].user,
                            .domain = kept->domain,
                            .pattern = kept->pattern,
                            .payload = *payload},
        kept->server, random);
  };
}

}  // namespace godwit::bench
