// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "crypto/kem/avx2.h"
#include "crypto/kem/keccak_permutation.h"

namespace godwit::crypto::avx2 {

void permute_four(std::uint64_t (&states)[25][4]) {
  using Lanes [[gnu::vector_size(32)]] = std::uint64_t;
  Lanes lanes[keccak::lane_count];
  std::memcpy(lanes, states, sizeof lanes);
  keccak::permute(lanes);
  std::memcpy(states, lanes, sizeof lanes);
}

}  // namespace godwit::crypto::avx2
