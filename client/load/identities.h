// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/keys.h"

// The accounts of a load, all from one seed: the same seed names the same accounts with the same
// keys, so what one run registers the next one uses. The keys protect nothing.
//
// A user is twelve digits, as a telephone has them, which the protocol packs: five of the seed, and
// the account's number. Thread safe.

namespace godwit::client::load {

inline constexpr std::uint32_t accounts_max = 10'000'000;

class Identities {
 public:
  explicit Identities(std::uint64_t seed);

  // REQUIRES: number < accounts_max, also below.
  std::string user(std::uint32_t number) const;
  crypto::KeyPair key_pair(std::uint32_t number) const;
  // Nothing for a user of another seed.
  std::optional<std::uint32_t> number_of(std::string_view user) const;

 private:
  std::uint64_t seed_;
  std::uint64_t first_user_;
};

}  // namespace godwit::client::load
