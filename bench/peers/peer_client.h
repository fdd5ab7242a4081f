// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/generator/traffic_client.h"
#include "bench/peers/ledger.h"

// What the clients of other servers have in common: bytes that come in any pieces are handed to
// next() one unit at a time, and messages are counted and held to the ledger. Not thread safe.

namespace godwit::bench {

class PeerClient : public TrafficClient {
 public:
  // A unit that is not whole after so much is an error.
  static constexpr std::size_t unit_size_max = 64 * 1024;

  explicit PeerClient(const Ledger::Options& options) : ledger_(options) {}

  Result<unsigned> on_bytes(MutableBytes bytes) final;
  bool ready() const final { return ready_; }
  std::vector<std::uint8_t>& output() final { return output_; }

 protected:
  // Reads the first unit of `text`: how long it was, or 0 when it is not whole yet.
  virtual Result<std::size_t> next(std::string_view text) = 0;

  Result<void> arrived(std::string_view payload);
  void say(std::string_view text) { output_.insert(output_.end(), text.begin(), text.end()); }
  void become_ready() { ready_ = true; }
  Ledger& ledger() { return ledger_; }

 private:
  Ledger ledger_;
  std::vector<std::uint8_t> output_;
  std::string partial_;
  unsigned arrived_ = 0;
  bool ready_ = false;
};

}  // namespace godwit::bench
