// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/peers/peer_client.h"

// A client of an MQTT 3.1.1 broker (OASIS standard, 29 October 2014): CONNECT with a clean session,
// SUBSCRIBE to a topic of its own, PUBLISH to the partner's, at QoS 0 or 1. At QoS 1 what arrives
// is acknowledged at once, and what was sent is settled by its PUBACK. Not thread safe.

namespace godwit::bench {

class MqttClient final : public PeerClient {
 public:
  // The highest keep-alive: no client is silent for so long here.
  static constexpr std::uint16_t keep_alive_s = 0xffff;

  enum class Quality : std::uint8_t { at_most_once, at_least_once };
  MqttClient(const Ledger::Options& options, Quality quality);

  void write(unsigned messages) override;
  bool settled() const override { return acknowledged_ == published_; }
  void ping() override;  // PINGREQ
  unsigned pongs() const override { return pongs_; }

 private:
  Result<std::size_t> next(std::string_view text) override;
  Result<void> on_packet(std::uint8_t first, std::string_view body);
  Result<void> on_publish(std::uint8_t flags, std::string_view body);
  void packet(std::uint8_t first, std::string_view body);

  const Quality quality_;
  std::uint64_t published_ = 0;
  std::uint64_t acknowledged_ = 0;
  unsigned pongs_ = 0;
};

}  // namespace godwit::bench
