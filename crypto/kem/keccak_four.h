// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/kem/keccak.h"

// Four sponges that permute together, for the many short SHAKEs of sampling. Constant time in what
// is hashed. Not thread safe; one object per thread.

namespace godwit::crypto {

// Both give the same bytes.
enum class KeccakPath : std::uint8_t { portable, avx2 };

// What this processor can do, and the operating system lets it.
KeccakPath keccak_path();

class KeccakFour {
 public:
  using States = std::uint64_t[25][4];  // lane by lane, as a vector register wants them

  KeccakFour(KeccakKind kind, KeccakPath path) : kind_(kind), path_(path) {}
  KeccakFour(const KeccakFour&) = delete;
  KeccakFour& operator=(const KeccakFour&) = delete;
  ~KeccakFour() { sodium_memzero(states_, sizeof states_); }

  // The whole messages: each seed, then its suffix. REQUIRES: called once, before the first
  // squeeze.
  void absorb(std::span<const std::uint8_t, 32> seed,
              const std::array<std::array<std::uint8_t, 2>, 4>& suffixes, std::size_t suffix_size);
  // The first bytes of the next block of each. REQUIRES: at most a block.
  void squeeze(const std::array<MutableBytes, 4>& out);

 private:
  KeccakKind kind_;
  KeccakPath path_;
  States states_ = {};
};

namespace keccak {
// REQUIRES: a processor with AVX2.
void permute_four_avx2(KeccakFour::States& states);
}  // namespace keccak

}  // namespace godwit::crypto
