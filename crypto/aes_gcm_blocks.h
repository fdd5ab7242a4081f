// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "crypto/aes_gcm.h"

// Blocks of AES-GCM in vectors: their bytes, and the field they are hashed in. Internal to the
// kernel. Thread safe; no branch or address depends on anything but sizes.
//
// A block is hashed with its bytes reversed. GCM's bits then run from the highest power down, as
// the processor multiplies, but shifted by one place: hash keys are kept times x to make up for it.

namespace godwit::crypto::aes_gcm {
// Each file that includes this is compiled for other processors, so each has its own.
namespace {

using Block = __m128i;

// Blocks in a vector of the width that its name says; what the kernel is made of.
struct OneBlock {
  using Vector = Block;
  static constexpr std::size_t blocks = 1;

  [[gnu::always_inline]] static inline Vector load(const void* from) {
    return _mm_loadu_si128(static_cast<const Vector*>(from));
  }
  [[gnu::always_inline]] static inline void store(void* to, Vector v) {
    _mm_storeu_si128(static_cast<Vector*>(to), v);
  }
  // One block in every place; in the first alone, with zeros behind it.
  [[gnu::always_inline]] static inline Vector every(Block block) { return block; }
  [[gnu::always_inline]] static inline Vector first(Block block) { return block; }
  // From a number on, one more in each place.
  [[gnu::always_inline]] static inline Vector count_from(int number) {
    return _mm_setr_epi32(number, 0, 0, 0);
  }
  [[gnu::always_inline]] static inline Vector sum_32(Vector a, Vector b) {
    return _mm_add_epi32(a, b);
  }
  [[gnu::always_inline]] static inline Vector differ(Vector a, Vector b) {
    return _mm_xor_si128(a, b);
  }
  [[gnu::always_inline]] static inline Vector shuffle(Vector v, Vector order) {
    return _mm_shuffle_epi8(v, order);
  }
  [[gnu::always_inline]] static inline Vector round(Vector v, Vector key) {
    return _mm_aesenc_si128(v, key);
  }
  [[gnu::always_inline]] static inline Vector last_round(Vector v, Vector key) {
    return _mm_aesenclast_si128(v, key);
  }
  // Of each block one half: bit 0 says which of `a`, bit 4 which of `b`.
  template <int Halves>
  [[gnu::always_inline]] static inline Vector product(Vector a, Vector b) {
    return _mm_clmulepi64_si128(a, b, Halves);
  }
  // All blocks added up in the field, and the block of a place.
  [[gnu::always_inline]] static inline Block total(Vector v) { return v; }
  template <int Place>
  [[gnu::always_inline]] static inline Block at(Vector v) {
    return v;
  }
};

[[gnu::always_inline]] inline Block load(const void* from) {
  return OneBlock::load(from);
}
[[gnu::always_inline]] inline void store(void* to, Block block) {
  OneBlock::store(to, block);
}

[[gnu::always_inline]] inline Block reversal() {
  return _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
[[gnu::always_inline]] inline Block reversed(Block block) {
  return _mm_shuffle_epi8(block, reversal());
}

[[gnu::always_inline]] inline Block of_halves(std::uint64_t low, std::uint64_t high) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}

// The first bytes of a block, and zeros. REQUIRES: size <= 16.
[[gnu::always_inline]] inline Block first_bytes(Block block, std::size_t size) {
  static constexpr std::uint8_t ones_then_zeros[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                       255, 255, 255, 255, 255, 255, 255, 255};
  return _mm_and_si128(block, load(ones_then_zeros + 16 - size));
}

template <typename Word>
[[gnu::always_inline]] inline std::uint64_t word_at(const std::uint8_t* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// 1 to 15 bytes and zeros, by two loads that may overlap; nothing behind them is read.
[[gnu::always_inline]] inline Block load_part(const std::uint8_t* from, std::size_t size) {
  if (size > 8) {
    return of_halves(word_at<std::uint64_t>(from),
                     word_at<std::uint64_t>(from + size - 8) >> (8 * (16 - size)));
  }
  if (size >= 4) {
    const unsigned shift = static_cast<unsigned>(8 * (size - 4));
    return of_halves(
        word_at<std::uint32_t>(from) | word_at<std::uint32_t>(from + size - 4) << shift, 0);
  }
  const std::uint64_t middle = std::uint64_t{from[size / 2]} << (8 * (size / 2));
  return of_halves(from[0] | middle | std::uint64_t{from[size - 1]} << (8 * (size - 1)), 0);
}

// The first 1 to 15 bytes; nothing behind them is written.
[[gnu::always_inline]] inline void store_part(std::uint8_t* to, Block block, std::size_t size) {
  auto word = static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
  if ((size & 8) != 0) {
    std::memcpy(to, &word, 8);
    to += 8;
    word = static_cast<std::uint64_t>(_mm_extract_epi64(block, 1));
  }
  if ((size & 4) != 0) {
    std::memcpy(to, &word, 4);
    to += 4;
    word >>= 32;
  }
  if ((size & 2) != 0) {
    std::memcpy(to, &word, 2);
    to += 2;
    word >>= 16;
  }
  if ((size & 1) != 0) std::memcpy(to, &word, 1);
}

// x^128 + x^127 + x^126 + x^121 + 1 without its highest term: the field's polynomial, reversed.
[[gnu::always_inline]] inline Block polynomial() {
  return of_halves(1, 0xc200000000000000);
}

// Products of 256 bits, in three parts that overlap, added up before they are reduced.
template <typename Wide>
struct Products {
  using Vector = typename Wide::Vector;

  Vector low = Wide::every(_mm_setzero_si128());
  Vector middle = Wide::every(_mm_setzero_si128());
  Vector high = Wide::every(_mm_setzero_si128());

  [[gnu::always_inline]] inline void add(Vector a, Vector b) {
    low = Wide::differ(low, Wide::template product<0x00>(a, b));
    middle = Wide::differ(middle, Wide::template product<0x01>(a, b));
    middle = Wide::differ(middle, Wide::template product<0x10>(a, b));
    high = Wide::differ(high, Wide::template product<0x11>(a, b));
    // Added up in this order: the compiler would make all products first, and keep them, which
    // tell the hash key, on the stack.
    asm("" : "+x"(low), "+x"(middle), "+x"(high));
  }

  [[gnu::always_inline]] inline Products with(const Products& more) const {
    return {Wide::differ(low, more.low), Wide::differ(middle, more.middle),
            Wide::differ(high, more.high)};
  }

  [[gnu::always_inline]] inline Products<OneBlock> total() const {
    return {Wide::total(low), Wide::total(middle), Wide::total(high)};
  }
};

// Half of 128 bits moved up by adding a multiple of the polynomial that clears it (Montgomery's way
// to reduce, in a field of two elements).
[[gnu::always_inline]] inline Block folded(Block low) {
  const Block multiple = _mm_clmulepi64_si128(polynomial(), low, 0x01);
  return _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), multiple);
}
[[gnu::always_inline]] inline Block reduced(const Products<OneBlock>& sum) {
  return _mm_xor_si128(sum.high, folded(_mm_xor_si128(sum.middle, folded(sum.low))));
}

// REQUIRES: b times x.
[[gnu::always_inline]] inline Block product(Block a, Block b) {
  Products<OneBlock> sum;
  sum.add(a, b);
  return reduced(sum);
}

[[gnu::always_inline]] inline Block times_x(Block a) {
  const Block carry = _mm_slli_si128(_mm_srli_epi64(a, 63), 8);
  const Block overflow = _mm_shuffle_epi32(_mm_srai_epi32(a, 31), 0xff);
  return _mm_xor_si128(_mm_or_si128(_mm_slli_epi64(a, 1), carry),
                       _mm_and_si128(overflow, polynomial()));
}

}  // namespace
}  // namespace godwit::crypto::aes_gcm
