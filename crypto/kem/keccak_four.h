// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/kem/keccak.h"
#include "crypto/kem/path.h"

// Four sponges that permute together, for the many short SHAKEs of sampling and for hashes of
// several public keys. Constant time in what is hashed. Not thread safe; one object per thread.

namespace godwit::crypto {

class KeccakFour {
 public:
  using States = std::uint64_t[25][4];  // lane by lane, as a vector register wants them

  KeccakFour(KeccakKind kind, KemPath path) : kind_(kind), path_(path) {}
  KeccakFour(const KeccakFour&) = delete;
  KeccakFour& operator=(const KeccakFour&) = delete;
  ~KeccakFour() { sodium_memzero(states_, sizeof states_); }

  // The whole messages: each seed, then its suffix. REQUIRES: called once, before the first
  // squeeze.
  void absorb(std::span<const std::uint8_t, 32> seed,
              const std::array<std::array<std::uint8_t, 2>, 4>& suffixes, std::size_t suffix_size);
  // The whole messages, all of one size. REQUIRES: as above.
  void absorb(const std::array<Bytes, 4>& messages);
  // The first bytes of the next block of each. REQUIRES: at most a block.
  void squeeze(const std::array<MutableBytes, 4>& out);

 private:
  void permute();

  KeccakKind kind_;
  KemPath path_;
  States states_ = {};
};

// SHA3-256 of each; they are of one size.
void sha3_256_four(const std::array<std::span<std::uint8_t, 32>, 4>& out,
                   const std::array<Bytes, 4>& messages);

}  // namespace godwit::crypto
