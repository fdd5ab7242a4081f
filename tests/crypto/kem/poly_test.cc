// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/poly.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/kem/poly_coding.h"
#include "crypto/kem/sampling.h"

// Arithmetic against its definition: every coefficient where there are few enough, products by the
// schoolbook method.

namespace godwit::crypto {
namespace {

std::int32_t mod_q(std::int64_t value) {
  return static_cast<std::int32_t>((value % kem_q + kem_q) % kem_q);
}

Poly random_poly(RandomSource& random) {
  Poly poly;
  for (std::int16_t& c : poly.c) c = static_cast<std::int16_t>(random.below(kem_q));
  return poly;
}

Poly schoolbook(const Poly& left, const Poly& right) {
  std::array<std::int64_t, poly_size> sums{};
  for (std::size_t i = 0; i < poly_size; ++i) {
    for (std::size_t j = 0; j < poly_size; ++j) {
      const std::int64_t product = std::int64_t{left.c[i]} * right.c[j];
      sums[(i + j) % poly_size] += i + j < poly_size ? product : -product;
    }
  }
  Poly poly;
  for (std::size_t i = 0; i < poly_size; ++i) poly.c[i] = static_cast<std::int16_t>(mod_q(sums[i]));
  return poly;
}

TEST(Poly, BarrettReducesEveryNumber) {
  for (std::int32_t value = INT16_MIN; value <= INT16_MAX; ++value) {
    const std::int16_t centred = barrett_reduce(static_cast<std::int16_t>(value));
    ASSERT_EQ(mod_q(centred), mod_q(value));
    ASSERT_LE(centred, kem_q / 2);
    ASSERT_GE(centred, -(kem_q / 2));
    ASSERT_EQ(least(centred), mod_q(value));
  }
}

TEST(Poly, MontgomeryDividesByR) {
  constexpr std::int32_t bound = kem_q << 15;
  SeededRandom random(1);
  const auto check = [](std::int32_t value) {
    const std::int16_t reduced = montgomery_reduce(value);
    ASSERT_EQ(mod_q(std::int64_t{reduced} << 16), mod_q(value));
    ASSERT_LT(std::abs(reduced), kem_q);
  };
  for (std::int32_t i = 0; i < 100'000; ++i) {
    check(static_cast<std::int32_t>(random.below(2 * bound - 1)) - bound + 1);
  }
  for (std::int32_t value : {0, 1, -1, bound - 1, 1 - bound}) check(value);
}

TEST(Poly, TransformedProductsAreTheSchoolbooks) {
  SeededRandom random(2);
  for (int round = 0; round < 20; ++round) {
    Poly left = random_poly(random);
    Poly right = random_poly(random);
    if (round == 0) left.c.fill(kem_q - 1);
    if (round == 0) right.c.fill(1 - kem_q);
    const Poly expected = schoolbook(left, right);
    ntt(left);
    ntt(right);
    Poly sum;
    inner_product(sum, {&left, 1}, {&right, 1});
    inverse_ntt(sum);
    for (std::size_t i = 0; i < poly_size; ++i) ASSERT_EQ(mod_q(sum.c[i]), expected.c[i]);
  }
}

TEST(Poly, FourProductsOfTheLargestFactorsFit) {
  std::array<Poly, 4> row;
  std::array<Poly, 4> column;
  for (std::int16_t left = kem_q - 1; left > kem_q - 400; --left) {
    for (Poly& poly : row) poly.c.fill(left);
    for (const int sign : {1, -1}) {
      for (Poly& poly : column) poly.c.fill(static_cast<std::int16_t>(sign * (kem_q - 1)));
      Poly sum;
      inner_product(sum, row, column);
      ASSERT_LT(std::abs(sum.c[1]), kem_q);
      multiply_by_r(sum);
      // Of the odd coefficients, which have no gamma: two products each.
      ASSERT_EQ(mod_q(sum.c[1]), mod_q(std::int64_t{8} * sign * left * (kem_q - 1)));
    }
  }
}

TEST(PolyDeathTest, ProductsOfFiveOrOfUnequalVectorsAreABug) {
  const std::array<Poly, 5> polys{};
  Poly sum;
  EXPECT_DEATH(inner_product(sum, polys, polys), "row.size");
  EXPECT_DEATH(inner_product(sum, std::span(polys).first<2>(), std::span(polys).first<3>()),
               "row.size");
}

template <unsigned Bits>
void check_compression() {
  for (std::int32_t x = 0; x < kem_q; ++x) {
    const std::uint32_t rounded =
        ((static_cast<std::uint32_t>(x) << (Bits + 1)) + kem_q) / (2 * kem_q) % (1u << Bits);
    ASSERT_EQ(compressed<Bits>(static_cast<std::uint16_t>(x)), rounded);
  }
  for (std::uint32_t y = 0; y < 1u << Bits; ++y) {
    const std::int16_t x = decompressed<Bits>(y);
    ASSERT_LT(x, kem_q);
    ASSERT_EQ(compressed<Bits>(static_cast<std::uint16_t>(x)), y);
  }
}

TEST(Poly, CompressionOfEveryNumber) {
  check_compression<1>();
  check_compression<4>();
  check_compression<5>();
  check_compression<10>();
  check_compression<11>();
}

template <unsigned Bits>
void check_packing(RandomSource& random) {
  std::array<std::uint8_t, packed_size(Bits)> bytes;
  random.fill(bytes);
  Poly poly;
  decompress<Bits>(poly, bytes);
  reduce(poly);
  std::array<std::uint8_t, packed_size(Bits)> again;
  compress<Bits>(again, poly);
  EXPECT_EQ(to_hex(again), to_hex(bytes));
}

TEST(Poly, PackingRoundTrips) {
  SeededRandom random(3);
  check_packing<1>(random);
  check_packing<4>(random);
  check_packing<5>(random);
  check_packing<10>(random);
  check_packing<11>(random);
  Poly poly = random_poly(random);
  reduce(poly);
  std::array<std::uint8_t, poly_bytes> bytes;
  encode(bytes, poly);
  Poly again;
  decode(again, bytes);
  EXPECT_EQ(again.c, poly.c);
}

TEST(Poly, NumbersNotBelowQAreSeen) {
  for (const unsigned number : {0u, 3328u, 3329u, 4095u}) {
    for (const std::size_t place : {std::size_t{0}, poly_size / 2, poly_size - 2}) {
      std::array<std::uint8_t, poly_bytes> bytes{};
      bytes[place / 2 * 3] = static_cast<std::uint8_t>(number);
      bytes[place / 2 * 3 + 1] = static_cast<std::uint8_t>(number >> 8);
      EXPECT_EQ(encoding_reduced(bytes), number < 3329);
      Poly poly;
      decode(poly, bytes);
      EXPECT_EQ(mod_q(poly.c[place]), mod_q(number));
    }
  }
}

TEST(Poly, NoiseIsTheDifferenceOfBitSums) {
  const std::array<std::uint8_t, 32> seed{7};
  std::array<Poly, 5> polys;
  sample_noise(std::span(polys).first<3>(), seed, 3);
  sample_noise(std::span(polys).last<2>(), seed, 6);
  std::array<int, 5> seen{};
  for (const Poly& poly : polys) {
    for (const std::int16_t c : poly.c) {
      ASSERT_LE(std::abs(c), 2);
      ++seen[static_cast<std::size_t>(c + 2)];
    }
  }
  // 1, 4, 6, 4 and 1 sixteenths of 1280.
  const std::array<int, 5> expected{80, 320, 480, 320, 80};
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], expected[i], 80);
  // Each polynomial has its own number, so they do not depend on how many are asked for.
  std::array<Poly, 1> last;
  sample_noise(last, seed, 7);
  EXPECT_EQ(last[0].c, polys[4].c);
}

}  // namespace
}  // namespace godwit::crypto
