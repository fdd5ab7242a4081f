// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "crypto/kem/avx2.h"
#include "crypto/kem/lanes_avx2.h"

namespace godwit::crypto::avx2 {
namespace {

constexpr std::size_t block_size = 168;
constexpr std::size_t half_count = 8;  // numbers in half a vector

// For each set of eight places: the lower byte of each number there, packed to the front.
struct Packings {
  std::uint8_t of[256][half_count];
};
consteval Packings make_packings() {
  Packings packings{};
  for (unsigned set = 0; set < 256; ++set) {
    unsigned count = 0;
    for (unsigned place = 0; place < half_count; ++place) {
      if (set >> place & 1) packings.of[set][count++] = static_cast<std::uint8_t>(2 * place);
    }
  }
  return packings;
}
constexpr Packings packings = make_packings();

// Writes all eight, of which those in the set come first. Returns how many these are.
[[gnu::always_inline]] inline unsigned store_set(std::int16_t* out, __m128i numbers, unsigned set) {
  const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(packings.of[set]));
  const __m128i places = _mm_unpacklo_epi8(low, _mm_add_epi8(low, _mm_set1_epi8(1)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(numbers, places));
  return static_cast<unsigned>(__builtin_popcount(set));
}

// Sixteen numbers of twelve bits, of 24 bytes.
[[gnu::always_inline]] inline Lanes twelve_bits(const std::uint8_t* bytes) {
  // No byte behind the last is read: the second half begins eight bytes on, and four later in them.
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 8));
  const Lanes both = _mm256_set_m128i(second, first);
  const Lanes places = _mm256_setr_epi8(0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11,  //
                                        4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11, 12, 13, 14, 14, 15);
  const Lanes spread = _mm256_shuffle_epi8(both, places);
  return _mm256_and_si256(_mm256_blend_epi16(spread, _mm256_srli_epi16(spread, 4), 0xaa),
                          every(0xfff));
}

}  // namespace

Taken take_samples(std::int16_t* poly, std::size_t count, const std::uint8_t* block) {
  std::size_t i = 0;
  for (; i < block_size && count + lane_count <= poly_size; i += 24) {
    const Lanes numbers = twelve_bits(block + i);
    const Lanes good = _mm256_cmpgt_epi16(every(kem_q), numbers);
    const auto sets = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_packs_epi16(good, good)));
    count += store_set(poly + count, _mm256_castsi256_si128(numbers), sets & 0xff);
    count += store_set(poly + count, _mm256_extracti128_si256(numbers, 1), sets >> 16 & 0xff);
  }
  return {count, i};
}

// As the portable one, with the sums of 64 coefficients at once, in pairs of bits.
void sample_binomial(std::int16_t* poly, const std::uint8_t* bytes) {
  const Lanes pairs = _mm256_set1_epi8(0x55);
  const Lanes nibbles = _mm256_set1_epi8(0x33);
  const Lanes lower = _mm256_set1_epi8(0x0f);
  for (std::size_t i = 0; i < poly_size; i += 64, bytes += 32) {
    const Lanes word = load(bytes);
    const Lanes sums = _mm256_add_epi8(_mm256_and_si256(word, pairs),
                                       _mm256_and_si256(_mm256_srli_epi16(word, 1), pairs));
    // Three more than each coefficient, in half a byte: nothing is borrowed from the next.
    const Lanes raised = _mm256_sub_epi8(_mm256_add_epi8(_mm256_and_si256(sums, nibbles), nibbles),
                                         _mm256_and_si256(_mm256_srli_epi16(sums, 2), nibbles));
    const Lanes three = _mm256_set1_epi8(3);
    const Lanes even = _mm256_sub_epi8(_mm256_and_si256(raised, lower), three);
    const Lanes odd = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(raised, 4), lower), three);
    const Lanes front = _mm256_unpacklo_epi8(even, odd);  // of both halves
    const Lanes back = _mm256_unpackhi_epi8(even, odd);
    store(poly + i, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(front)));
    store(poly + i + 16, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(back)));
    store(poly + i + 32, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(front, 1)));
    store(poly + i + 48, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(back, 1)));
  }
}

}  // namespace godwit::crypto::avx2
