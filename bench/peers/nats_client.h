// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/peers/peer_client.h"

// A client of a NATS server (docs.nats.io, "Client Protocol"): INFO, CONNECT, SUB to a subject of
// its own, PUB to the partner's. Ready once the server has answered a PING behind the SUB. Nothing
// acknowledges a message. Not thread safe.

namespace godwit::bench {

class NatsClient final : public PeerClient {
 public:
  explicit NatsClient(const Ledger::Options& options) : PeerClient(options) {}

  void write(unsigned messages) override;
  void ping() override { say("PING\r\n"); }
  unsigned pongs() const override { return pongs_; }

 private:
  Result<std::size_t> next(std::string_view text) override;
  Result<std::size_t> on_message(std::string_view text, std::string_view line);
  void introduce();

  unsigned pongs_ = 0;  // after the one that made it ready
};

}  // namespace godwit::bench
