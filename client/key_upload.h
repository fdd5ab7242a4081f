// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "client/vault.h"

// Keeps the key directory filled with this device's prekeys: how many are missing, and the uploads
// that bring what was made and not confirmed. What is uploaded was stored before, so an upload may
// be repeated after a crash. Not thread safe.

namespace godwit::client {

class KeyUpload {
 public:
  static constexpr std::uint32_t generation = 1;
  static constexpr std::uint32_t refill_below = protocol::one_time_keys_max / 2;
  // How often the directory is asked at the least and at the most: in between as fast as half of
  // the keys would go at the rate seen last.
  static constexpr Duration count_period_max = std::chrono::hours(6);
  static constexpr Duration count_period_min = std::chrono::minutes(1);

  struct Batch {
    std::vector<std::uint8_t> node;
    Vault::Waiting keys;
  };

  explicit KeyUpload(Vault& vault) : vault_(vault) {}

  // Makes what is missing, in the open transaction; what is to be uploaded, in this order.
  Result<std::vector<Batch>> plan(const protocol::PrekeyCount& count, const Vault::Own& own,
                                  std::string_view domain, Now now, RandomSource& random);
  // When to ask again, after plan().
  Instant next_count_at() const { return next_count_at_; }

 private:
  Batch next_batch(Vault::Waiting& left, const Vault::Own& own, bool first,
                   std::string_view domain) const;
  void note_rate(const protocol::PrekeyCount& count, std::uint32_t filled, Now now);

  Vault& vault_;
  Instant counted_at_ = never;
  std::uint32_t counted_ = 0;
  Instant next_count_at_ = never;
};

}  // namespace godwit::client
