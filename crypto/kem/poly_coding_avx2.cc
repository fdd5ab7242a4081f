// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "crypto/kem/avx2.h"
#include "crypto/kem/lanes_avx2.h"

// Sixteen numbers of `Bits` bits are 2 * Bits bytes. In between they are four words, each of four
// numbers that follow one another bit by bit: within a word the vector unit moves them, from word
// to word the shifts of a 128-bit number do.

namespace godwit::crypto::avx2 {
namespace {

__extension__ using Wide = unsigned __int128;

[[gnu::always_inline]] inline Lanes low_only_32(int of_low) {
  return _mm256_set1_epi64x(of_low);  // the lower 32-bit lane of each word, and 0 for the upper
}

// Numbers below 2^Bits.
template <unsigned Bits>
[[gnu::always_inline]] inline void pack(std::uint8_t* out, Lanes numbers) {
  const Lanes twos = _mm256_madd_epi16(numbers, _mm256_set1_epi32(1 << (16 + Bits) | 1));
  const Lanes fours =
      _mm256_srli_epi64(_mm256_sllv_epi32(twos, low_only_32(32 - 2 * Bits)), 32 - 2 * Bits);
  alignas(32) std::uint64_t words[4];
  store(words, fours);
  for (unsigned i = 0; i < 4; i += 2) {
    const Wide eight = Wide{words[i + 1]} << (4 * Bits) | words[i];
    std::memcpy(out + Bits * (i / 2), &eight, Bits);
  }
}

template <unsigned Bits>
[[gnu::always_inline]] inline Lanes unpack(const std::uint8_t* bytes) {
  Wide eight[2] = {0, 0};
  std::memcpy(&eight[0], bytes, Bits);
  std::memcpy(&eight[1], bytes + Bits, Bits);
  const auto word = [&](Wide number) __attribute__((always_inline)) {
    return static_cast<long long>(number);
  };
  const Lanes fours = _mm256_set_epi64x(word(eight[1] >> (4 * Bits)), word(eight[1]),
                                        word(eight[0] >> (4 * Bits)), word(eight[0]));
  const Lanes twos =
      _mm256_srlv_epi32(_mm256_slli_epi64(fours, 32 - 2 * Bits), low_only_32(32 - 2 * Bits));
  const Lanes numbers = _mm256_blend_epi16(twos, _mm256_slli_epi32(twos, 16 - Bits), 0xaa);
  return _mm256_and_si256(numbers, every((1 << Bits) - 1));
}

// round(2^Bits / q * number) modulo 2^Bits, of eight numbers: with 2^32 / q, a whole one being what
// is carried out of the lane. 2^32 / q is 1290167 and 13/32 but for 2^-12, so the sum is less than
// 2 below what it should be, where a number nearest to a half is 2^32 / q / 2^(Bits + 1) away from
// it.
template <unsigned Bits>
[[gnu::always_inline]] inline Lanes compressed(Lanes numbers) {
  constexpr std::int32_t reciprocal = 1'290'167;
  static_assert((std::uint64_t{1} << 32) / kem_q == reciprocal);
  const Lanes whole = _mm256_mullo_epi32(numbers, _mm256_set1_epi32(reciprocal));
  const Lanes rest = _mm256_srli_epi32(_mm256_mullo_epi16(numbers, every(13)), 5);
  const Lanes half = _mm256_set1_epi32((1 << (31 - Bits)) + 1);
  return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(whole, rest), half), 32 - Bits);
}

}  // namespace

void encode(std::uint8_t* out, const std::int16_t* poly) {
  for (std::size_t i = 0; i < poly_size; i += lane_count, out += 2 * 12) {
    pack<12>(out, least(load(poly + i)));
  }
}

void decode(std::int16_t* poly, const std::uint8_t* bytes) {
  for (std::size_t i = 0; i < poly_size; i += lane_count, bytes += 2 * 12) {
    store(poly + i, barrett_reduce(unpack<12>(bytes)));
  }
}

bool encoding_reduced(const std::uint8_t* bytes) {
  Lanes too_large = _mm256_setzero_si256();
  for (std::size_t i = 0; i < poly_size; i += lane_count, bytes += 2 * 12) {
    too_large = _mm256_or_si256(too_large, _mm256_cmpgt_epi16(unpack<12>(bytes), every(kem_q - 1)));
  }
  return _mm256_testz_si256(too_large, too_large) != 0;
}

template <unsigned Bits>
void compress(std::uint8_t* out, const std::int16_t* poly) {
  for (std::size_t i = 0; i < poly_size; i += lane_count, out += 2 * Bits) {
    const Lanes numbers = least(load(poly + i));
    // Even and odd ones, to be woven again by the pack below.
    const Lanes even = compressed<Bits>(_mm256_and_si256(numbers, _mm256_set1_epi32(0xffff)));
    const Lanes odd = compressed<Bits>(_mm256_srli_epi32(numbers, 16));
    pack<Bits>(out, _mm256_or_si256(even, _mm256_slli_epi32(odd, 16)));
  }
}

// (number * q + 2^(Bits - 1)) >> Bits, by the rounding multiplication that shifts by 15.
template <unsigned Bits>
void decompress(std::int16_t* poly, const std::uint8_t* bytes) {
  for (std::size_t i = 0; i < poly_size; i += lane_count, bytes += 2 * Bits) {
    const Lanes numbers = _mm256_slli_epi16(unpack<Bits>(bytes), 15 - Bits);
    store(poly + i, _mm256_mulhrs_epi16(numbers, every(kem_q)));
  }
}

template void compress<1>(std::uint8_t*, const std::int16_t*);
template void compress<4>(std::uint8_t*, const std::int16_t*);
template void compress<5>(std::uint8_t*, const std::int16_t*);
template void compress<10>(std::uint8_t*, const std::int16_t*);
template void compress<11>(std::uint8_t*, const std::int16_t*);
template void decompress<1>(std::int16_t*, const std::uint8_t*);
template void decompress<4>(std::int16_t*, const std::uint8_t*);
template void decompress<5>(std::int16_t*, const std::uint8_t*);
template void decompress<10>(std::int16_t*, const std::uint8_t*);
template void decompress<11>(std::int16_t*, const std::uint8_t*);

}  // namespace godwit::crypto::avx2
