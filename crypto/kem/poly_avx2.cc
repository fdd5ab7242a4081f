// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/avx2.h"
#include "crypto/kem/lanes_avx2.h"

// The transforms keep all sixteen vectors of a polynomial at hand. Down to a length of 16 a layer
// works on whole vectors. The last three work inside of them: two vectors are rearranged so that
// one holds what is below and the other what is above in each block, and put in order at the end,
// so that everybody else finds coefficients where FIPS 203 has them.

namespace godwit::crypto::avx2 {
namespace {

// One factor a lane, and factor / q modulo R.
struct Factors {
  alignas(32) std::int16_t factor[lane_count];
  alignas(32) std::int16_t low[lane_count];
};

consteval std::int16_t low_of(std::int32_t factor) {
  return static_cast<std::int16_t>(factor * q_inverse);
}

// Of a layer whose blocks lie in a vector: of each pair of vectors.
struct InnerLayer {
  Factors pair[vector_count / 2];
};

// Blocks of 2 * length coefficients, in the order in which they come in the lanes: within each half
// of a vector as `order` says.
struct Blocks {
  unsigned length;
  unsigned order[4];
};

consteval InnerLayer make_inner_layer(Blocks blocks, bool inverse) {
  InnerLayer layer{};
  const unsigned layer_first = 128 / blocks.length;  // the zeta of its first block
  const unsigned a_pair = 16 / blocks.length;        // blocks in two vectors
  for (unsigned p = 0; p < vector_count / 2; ++p) {
    for (unsigned lane = 0; lane < lane_count; ++lane) {
      const unsigned nth = lane / blocks.length;
      const unsigned a_half = a_pair / 2;
      const unsigned block = p * a_pair + nth / a_half * a_half + blocks.order[nth % a_half];
      const std::int16_t zeta =
          zetas.of[inverse ? 2 * layer_first - 1 - block : layer_first + block];
      layer.pair[p].factor[lane] = zeta;
      layer.pair[p].low[lane] = low_of(zeta);
    }
  }
  return layer;
}

constexpr InnerLayer forward_8 = make_inner_layer({8, {0}}, false);
constexpr InnerLayer forward_4 = make_inner_layer({4, {0, 1}}, false);
constexpr InnerLayer forward_2 = make_inner_layer({2, {0, 2, 1, 3}}, false);
constexpr InnerLayer inverse_2 = make_inner_layer({2, {0, 1, 2, 3}}, true);
constexpr InnerLayer inverse_4 = make_inner_layer({4, {0, 1}}, true);
constexpr InnerLayer inverse_8 = make_inner_layer({8, {0}}, true);

// gamma of each pair of coefficients, at the odd one (FIPS 203, algorithm 11): 17^(2 bitrev7(i) +
// 1).
struct GammaFactors {
  Factors vector[vector_count];
};
consteval GammaFactors make_gamma_factors() {
  GammaFactors gammas{};
  for (unsigned i = 1; i < poly_size; i += 2) {
    const std::int16_t zeta = zetas.of[64 + i / 4];
    const auto gamma = static_cast<std::int16_t>(i % 4 == 1 ? zeta : -zeta);
    gammas.vector[i / lane_count].factor[i % lane_count] = gamma;
    gammas.vector[i / lane_count].low[i % lane_count] = low_of(gamma);
  }
  return gammas;
}
constexpr GammaFactors gamma_factors = make_gamma_factors();

struct LowZetas {
  std::int16_t of[128];
};
consteval LowZetas make_low_zetas() {
  LowZetas low{};
  for (unsigned i = 0; i < 128; ++i) low.of[i] = low_of(zetas.of[i]);
  return low;
}
constexpr LowZetas low_zetas = make_low_zetas();

[[gnu::always_inline]] inline Lanes times(Lanes lanes, const Factors& factors) {
  return multiply(lanes, load(factors.factor), load(factors.low));
}
[[gnu::always_inline]] inline Lanes times_zeta(Lanes lanes, std::size_t i) {
  return multiply(lanes, every(zetas.of[i]), every(low_zetas.of[i]));
}

[[gnu::always_inline]] inline void forward(Lanes& low, Lanes& high, Lanes product) {
  high = _mm256_sub_epi16(low, product);
  low = _mm256_add_epi16(low, product);
}

// Leaves in `high` what is still to be multiplied.
[[gnu::always_inline]] inline void inverse(Lanes& low, Lanes& high) {
  const Lanes sum = _mm256_add_epi16(low, high);
  high = _mm256_sub_epi16(high, low);
  low = barrett_reduce(sum);
}

struct Pair {
  Lanes first;
  Lanes second;
};

// The numbers that each is made of, by halves, quarters (64 bits) and eighths (32 bits).
[[gnu::always_inline]] inline Pair halves(Lanes a, Lanes b) {
  return {_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)};
}
[[gnu::always_inline]] inline Pair quarters(Lanes a, Lanes b) {
  return {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)};
}
[[gnu::always_inline]] inline Pair eighths(Lanes a, Lanes b) {
  return {_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)};
}
[[gnu::always_inline]] inline Pair even_and_odd_eighths(Lanes a, Lanes b) {
  const __m256 x = _mm256_castsi256_ps(a);
  const __m256 y = _mm256_castsi256_ps(b);
  return {_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
          _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd))};
}

// In the comments a digit is two coefficients of the first vector's, by their place; the second's
// lie in the upper half likewise.
[[gnu::always_inline]] inline void forward_inside(Lanes& first, Lanes& second, std::size_t p) {
  auto [low, high] = halves(first, second);  // 0123 and 4567
  forward(low, high, times(high, forward_8.pair[p]));
  const Pair by_4 = quarters(low, high);  // 0145 and 2367
  low = by_4.first, high = by_4.second;
  forward(low, high, times(high, forward_4.pair[p]));
  const Pair by_2 = even_and_odd_eighths(low, high);  // 0426 and 1537
  low = by_2.first, high = by_2.second;
  forward(low, high, times(high, forward_2.pair[p]));
  const auto [up, down] = eighths(barrett_reduce(low), barrett_reduce(high));  // 0145 and 2367
  const auto [front, back] = quarters(up, down);                               // 0123 and 4567
  const auto ordered = halves(front, back);
  first = ordered.first, second = ordered.second;
}

[[gnu::always_inline]] inline void inverse_inside(Lanes& first, Lanes& second, std::size_t p) {
  const auto [front, back] = halves(first, second);      // 0123 and 4567
  auto [low, high] = even_and_odd_eighths(front, back);  // 0246 and 1357
  inverse(low, high);
  high = times(high, inverse_2.pair[p]);
  const auto [up, down] = eighths(low, high);  // 0123 and 4567
  const Pair by_4 = quarters(up, down);        // 0145 and 2367
  low = by_4.first, high = by_4.second;
  inverse(low, high);
  high = times(high, inverse_4.pair[p]);
  const Pair by_8 = quarters(low, high);  // 0123 and 4567
  low = by_8.first, high = by_8.second;
  inverse(low, high);
  high = times(high, inverse_8.pair[p]);
  const Pair ordered = halves(low, high);
  first = ordered.first, second = ordered.second;
}

[[gnu::always_inline]] inline void load_all(Lanes (&v)[vector_count], const std::int16_t* poly) {
  for (std::size_t i = 0; i < vector_count; ++i) v[i] = load(poly + lane_count * i);
}
[[gnu::always_inline]] inline void store_all(std::int16_t* poly, const Lanes (&v)[vector_count]) {
  for (std::size_t i = 0; i < vector_count; ++i) store(poly + lane_count * i, v[i]);
}

}  // namespace

void ntt(std::int16_t* poly) {
  Lanes v[vector_count];
  load_all(v, poly);
  std::size_t next = 1;
  for (std::size_t length = vector_count / 2; length >= 1; length /= 2) {
    for (std::size_t start = 0; start < vector_count; start += 2 * length) {
      for (std::size_t j = start; j < start + length; ++j) {
        forward(v[j], v[j + length], times_zeta(v[j + length], next));
      }
      ++next;
    }
  }
  for (std::size_t i = 0; i < vector_count; i += 2) forward_inside(v[i], v[i + 1], i / 2);
  store_all(poly, v);
}

void inverse_ntt(std::int16_t* poly) {
  Lanes v[vector_count];
  load_all(v, poly);
  for (std::size_t i = 0; i < vector_count; i += 2) inverse_inside(v[i], v[i + 1], i / 2);
  std::size_t next = 15;
  for (std::size_t length = 1; length <= vector_count / 2; length *= 2) {
    for (std::size_t start = 0; start < vector_count; start += 2 * length) {
      for (std::size_t j = start; j < start + length; ++j) {
        inverse(v[j], v[j + length]);
        v[j + length] = times_zeta(v[j + length], next);
      }
      --next;
    }
  }
  const Lanes scale = every(inverse_scale);
  const Lanes scale_low = every(low_of(inverse_scale));
  for (Lanes& lanes : v) lanes = barrett_reduce(multiply(lanes, scale, scale_low));
  store_all(poly, v);
}

// A pair of coefficients is one lane of 32 bits: the product modulo X^2 - gamma is two sums of two
// products, which is what vpmaddwd computes, of the pair (b0, gamma b1) and of the pair (b1, b0).
void inner_product(std::int16_t* sum, const std::int16_t* row, const std::int16_t* column,
                   std::size_t rank) {
  const Lanes swapped = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3,
                                         0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  for (std::size_t i = 0; i < vector_count; ++i) {
    Lanes even = _mm256_setzero_si256();
    Lanes odd = _mm256_setzero_si256();
    const Factors& gammas = gamma_factors.vector[i];
    for (std::size_t j = 0; j < rank; ++j) {
      const Lanes a = load(row + poly_size * j + lane_count * i);
      const Lanes b = load(column + poly_size * j + lane_count * i);
      const Lanes turned = _mm256_blend_epi16(b, times(b, gammas), 0xaa);
      even = _mm256_add_epi32(even, _mm256_madd_epi16(a, turned));
      odd = _mm256_add_epi32(odd, _mm256_madd_epi16(a, _mm256_shuffle_epi8(b, swapped)));
    }
    // Montgomery's reduction of all sixteen sums: their lower halves, and their upper ones.
    const Lanes low = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa);
    const Lanes high = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa);
    const Lanes factor = _mm256_mullo_epi16(low, every(q_inverse));
    store(sum + lane_count * i, _mm256_sub_epi16(high, _mm256_mulhi_epi16(factor, every(kem_q))));
  }
}

void multiply_by_r(std::int16_t* poly) {
  const Lanes factor = every(r_squared_mod_q);
  const Lanes low = every(low_of(r_squared_mod_q));
  for (std::size_t i = 0; i < poly_size; i += lane_count) {
    store(poly + i, multiply(load(poly + i), factor, low));
  }
}

void reduce(std::int16_t* poly) {
  for (std::size_t i = 0; i < poly_size; i += lane_count) {
    store(poly + i, barrett_reduce(load(poly + i)));
  }
}

}  // namespace godwit::crypto::avx2
