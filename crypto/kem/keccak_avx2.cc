// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "crypto/kem/keccak_permutation.h"

// The only file that is compiled for AVX2, and it is called only where the processor has it. It
// includes no header of the project that has inline functions, so that none of them is compiled so.

namespace godwit::crypto::keccak {

using Lanes [[gnu::vector_size(32)]] = std::uint64_t;
using States = std::uint64_t[lane_count][4];

void permute_four_avx2(States& states);

void permute_four_avx2(States& states) {
  Lanes lanes[lane_count];
  std::memcpy(lanes, states, sizeof lanes);
  permute(lanes);
  std::memcpy(states, lanes, sizeof lanes);
}

}  // namespace godwit::crypto::keccak
