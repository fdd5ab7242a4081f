// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "crypto/secret.h"

// SHA-3 and SHAKE (FIPS 202). Our own, because libcrypto 3.0 cannot squeeze twice, which sampling a
// matrix needs, and allocates for each hash. Constant time in what is hashed, not in its length.
// Not thread safe; one object per thread.

namespace godwit::crypto {

enum class KeccakKind : std::uint8_t { sha3_256, sha3_512, shake128, shake256 };

// Bytes absorbed or squeezed between two permutations.
constexpr std::size_t keccak_rate(KeccakKind kind) {
  switch (kind) {
    case KeccakKind::shake128:
      return 168;
    case KeccakKind::sha3_512:
      return 72;
    case KeccakKind::sha3_256:
    case KeccakKind::shake256:
      break;
  }
  return 136;
}

// The bits that follow the message (FIPS 202, sections 6.1 and 6.2), with the first bit of padding.
constexpr std::uint8_t keccak_suffix(KeccakKind kind) {
  return kind == KeccakKind::shake128 || kind == KeccakKind::shake256 ? 0x1f : 0x06;
}

// One sponge: any number of absorb, then any number of squeeze. Wiped when destroyed.
class Keccak {
 public:
  explicit Keccak(KeccakKind kind) : kind_(kind), rate_(keccak_rate(kind)) {}
  Keccak(const Keccak&) = delete;
  Keccak& operator=(const Keccak&) = delete;
  ~Keccak() { sodium_memzero(state_, sizeof state_); }

  // REQUIRES: nothing squeezed yet.
  void absorb(Bytes bytes);
  void squeeze(MutableBytes out);

 private:
  void permute();

  KeccakKind kind_;
  std::size_t rate_;
  std::size_t used_ = 0;  // bytes of the rate absorbed, later squeezed
  bool squeezing_ = false;
  std::uint64_t state_[25] = {};
};

// SHA3-256, SHA3-512 and SHAKE256 over the parts one after another.
void sha3_256(std::span<std::uint8_t, 32> out, std::initializer_list<Bytes> parts);
void sha3_512(std::span<std::uint8_t, 64> out, std::initializer_list<Bytes> parts);
void shake256(MutableBytes out, std::initializer_list<Bytes> parts);

}  // namespace godwit::crypto
