// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// AES-256-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128, made for frames: on the
// processor's AES and carry-less multiplication, with all that depends on the key alone kept.
// Internal to crypto; callers go through crypto/cipher.h and crypto/aead.h.
//
// Thread safe. Nothing allocates, and no branch or address depends on anything but sizes. Arrays
// are C's: parts of this are compiled for newer processors, and no inline function of the library
// may come out of that and be linked into code that runs on every one.

namespace godwit::crypto::aes_gcm {

// A key made ready: round keys (FIPS 197), and H^9 to H^1, the powers of the hash key, each times x
// and with its bytes reversed. Nine, so that a frame of up to eight blocks, with the block of its
// sizes, is reduced once. Secret; whoever has one wipes it.
struct alignas(64) ExpandedKey {
  static constexpr std::size_t rounds = 14;
  static constexpr std::size_t powers = 9;

  std::uint8_t round[rounds + 1][16];
  std::uint8_t power[powers][16];
};
static_assert(sizeof(ExpandedKey) == 384, "what a cache keeps for each direction of a connection");

struct Call {
  const ExpandedKey& key;
  const std::uint8_t* nonce;  // 12 bytes
  const std::uint8_t* associated;
  std::size_t associated_size;
  const std::uint8_t* in;
  std::size_t text_size;  // without the tag; at most 2^36 - 32
  std::uint8_t* out;      // the same as `in`, or apart from it
};

// One set of instructions.
struct Functions {
  void (*expand)(const std::uint8_t* key, ExpandedKey& expanded);
  // Reads text_size bytes, writes 16 more.
  void (*seal)(const Call& call);
  // Reads text_size + 16 bytes, writes text_size, and says in which bytes the tag differs: a bit
  // for each.
  std::uint32_t (*decrypt)(const Call& call);
};
// REQUIRES: a processor with AES and PCLMULQDQ.
extern const Functions on_128_bits;
// REQUIRES: AVX2, VAES and VPCLMULQDQ besides.
extern const Functions on_256_bits;

// Null where the processor has none of them.
const Functions* fastest();

// False when the tag is wrong; `out` is zeros then.
[[nodiscard]] bool open(const Functions& functions, const Call& call);

}  // namespace godwit::crypto::aes_gcm
