// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/keccak.h"

#include <bit>

#include "base/result.h"
#include "crypto/kem/keccak_permutation.h"

namespace godwit::crypto {
namespace {

static_assert(std::endian::native == std::endian::little, "lanes are used as bytes");

void hash_into(KeccakKind kind, MutableBytes out, std::initializer_list<Bytes> parts) {
  Keccak sponge(kind);
  for (Bytes part : parts) sponge.absorb(part);
  sponge.squeeze(out);
}

}  // namespace

void Keccak::permute() {
  keccak::permute(state_);
}

void Keccak::absorb(Bytes bytes) {
  GODWIT_CHECK(!squeezing_);
  auto* const state = reinterpret_cast<std::uint8_t*>(state_);
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), rate_ - used_);
    for (std::size_t i = 0; i < size; ++i) state[used_ + i] ^= bytes[i];
    bytes = bytes.subspan(size);
    used_ += size;
    if (used_ == rate_) {
      permute();
      used_ = 0;
    }
  }
}

void Keccak::squeeze(MutableBytes out) {
  auto* const state = reinterpret_cast<std::uint8_t*>(state_);
  if (!squeezing_) {
    state[used_] ^= keccak_suffix(kind_);
    state[rate_ - 1] ^= 0x80;
    squeezing_ = true;
    used_ = rate_;
  }
  while (!out.empty()) {
    if (used_ == rate_) {
      permute();
      used_ = 0;
    }
    const std::size_t size = std::min(out.size(), rate_ - used_);
    std::memcpy(out.data(), state + used_, size);
    out = out.subspan(size);
    used_ += size;
  }
}

void sha3_256(std::span<std::uint8_t, 32> out, std::initializer_list<Bytes> parts) {
  hash_into(KeccakKind::sha3_256, out, parts);
}

void sha3_512(std::span<std::uint8_t, 64> out, std::initializer_list<Bytes> parts) {
  hash_into(KeccakKind::sha3_512, out, parts);
}

void shake256(MutableBytes out, std::initializer_list<Bytes> parts) {
  hash_into(KeccakKind::shake256, out, parts);
}

}  // namespace godwit::crypto
