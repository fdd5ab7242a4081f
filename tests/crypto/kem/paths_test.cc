// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/path.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/kem/poly_coding.h"
#include "crypto/kem/sampling.h"

// The portable way and AVX2's give the same numbers, not only the same modulo q: for each function,
// every coefficient it may be given in every lane, and random ones.

namespace godwit::crypto {
namespace {

constexpr KemPath portable = KemPath::portable;
constexpr KemPath avx2 = KemPath::avx2;

class KemPaths : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this processor has no AVX2";
  }

  // Coefficients from -bound to bound.
  Poly random_poly(std::int32_t bound) {
    Poly poly;
    for (std::int16_t& c : poly.c) {
      c = static_cast<std::int16_t>(
          static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(2 * bound + 1))) -
          bound);
    }
    return poly;
  }

  // `same(poly)` of polynomials that hold the extremes alone, in turns, at one place, and at
  // random.
  template <typename Same>
  void for_polys(std::int32_t bound, Same same) {
    const auto high = static_cast<std::int16_t>(bound);
    const auto low = static_cast<std::int16_t>(-bound);
    for (const std::int16_t value : {high, low, std::int16_t{0}, std::int16_t{1}}) {
      Poly poly;
      poly.c.fill(value);
      same(poly);
      for (std::size_t i = 1; i < poly_size; i += 2) poly.c[i] = low;
      same(poly);
    }
    for (std::size_t place = 0; place < poly_size; ++place) {
      Poly poly{};
      poly.c[place] = place % 2 == 0 ? high : low;
      same(poly);
    }
    for (int round = 0; round < 100; ++round) same(random_poly(bound));
  }

  SeededRandom random_{11};
};

// Both give what the other gives when it works in place.
template <typename Change>
void expect_same(const Poly& poly, Change change) {
  Poly one = poly;
  Poly other = poly;
  change(one, portable);
  change(other, avx2);
  ASSERT_EQ(one.c, other.c);
}

TEST_F(KemPaths, Reductions) {
  for (std::int32_t value = INT16_MIN; value <= INT16_MAX; value += poly_size) {
    Poly poly;
    for (std::size_t i = 0; i < poly_size; ++i) {
      poly.c[i] = static_cast<std::int16_t>(value + static_cast<std::int32_t>(i));
    }
    for (std::size_t turn = 0; turn < 16; ++turn) {
      expect_same(poly, [](Poly& p, KemPath path) { reduce(p, path); });
      expect_same(poly, [](Poly& p, KemPath path) { multiply_by_r(p, path); });
      std::ranges::rotate(poly.c, poly.c.begin() + 1);
    }
  }
}

TEST_F(KemPaths, Transforms) {
  for_polys(kem_q - 1, [](const Poly& poly) {
    expect_same(poly, [](Poly& p, KemPath path) { ntt(p, path); });
    expect_same(poly, [](Poly& p, KemPath path) { inverse_ntt(p, path); });
  });
}

TEST_F(KemPaths, TheInverseUndoesTheTransform) {
  for_polys(kem_q - 1, [](const Poly& poly) {
    for (const KemPath path : {portable, avx2}) {
      Poly there_and_back = poly;
      ntt(there_and_back, path);
      inverse_ntt(there_and_back, path);  // and times R
      Poly expected = poly;
      multiply_by_r(expected, path);
      reduce(expected, path);
      ASSERT_EQ(there_and_back.c, expected.c);
    }
  });
}

TEST_F(KemPaths, InnerProducts) {
  std::array<Poly, 4> row;
  std::array<Poly, 4> column;
  const auto check = [&] {
    for (std::size_t rank = 1; rank <= 4; ++rank) {
      Poly one;
      Poly other;
      inner_product(one, std::span(row).first(rank), std::span(column).first(rank), portable);
      inner_product(other, std::span(row).first(rank), std::span(column).first(rank), avx2);
      ASSERT_EQ(one.c, other.c);
    }
  };
  for_polys(kem_q - 1, [&](const Poly& poly) {
    row.fill(poly);
    for (std::int16_t& c : row[0].c) c = static_cast<std::int16_t>(-c);
    column.fill(poly);
    check();
    row.fill(poly);
    check();
    for (Poly& other : column) other = random_poly(kem_q - 1);
    check();
  });
}

template <unsigned Bits>
void expect_same_coding(const Poly& centred, std::span<const std::uint8_t, packed_size(12)> bytes) {
  std::array<std::uint8_t, packed_size(Bits)> one;
  std::array<std::uint8_t, packed_size(Bits)> other;
  compress<Bits>(one, centred, portable);
  compress<Bits>(other, centred, avx2);
  ASSERT_EQ(one, other);
  const auto part = bytes.first<packed_size(Bits)>();
  Poly poly;
  Poly again;
  decompress<Bits>(poly, part, portable);
  decompress<Bits>(again, part, avx2);
  ASSERT_EQ(poly.c, again.c);
}

TEST_F(KemPaths, Coding) {
  std::array<std::uint8_t, poly_bytes> bytes;
  const auto check = [&](const Poly& poly) {
    random_.fill(bytes);
    expect_same_coding<1>(poly, bytes);
    expect_same_coding<4>(poly, bytes);
    expect_same_coding<5>(poly, bytes);
    expect_same_coding<10>(poly, bytes);
    expect_same_coding<11>(poly, bytes);
    Poly one;
    Poly other;
    decode(one, bytes, portable);
    decode(other, bytes, avx2);
    ASSERT_EQ(one.c, other.c);
    std::array<std::uint8_t, poly_bytes> again;
    encode(bytes, poly, portable);
    encode(again, poly, avx2);
    ASSERT_EQ(bytes, again);
  };
  for_polys(kem_q / 2, check);
  // Every centred coefficient, in every lane.
  Poly poly;
  std::int16_t next = -(kem_q / 2);
  for (int round = 0; round < 16 * kem_q / static_cast<int>(poly_size) + 1; ++round) {
    for (std::int16_t& c : poly.c) {
      c = next;
      next = static_cast<std::int16_t>(next == kem_q / 2 ? -(kem_q / 2) : next + 1);
    }
    check(poly);
  }
}

TEST_F(KemPaths, NumbersNotBelowQAreSeenInEveryPlace) {
  for (std::size_t place = 0; place < poly_size; ++place) {
    for (const unsigned number : {3328u, 3329u, 4095u}) {
      std::array<std::uint8_t, poly_bytes> bytes{};
      const unsigned shifted = place % 2 == 0 ? number : number << 4;
      bytes[place * 3 / 2] = static_cast<std::uint8_t>(shifted);
      bytes[place * 3 / 2 + 1] = static_cast<std::uint8_t>(shifted >> 8);
      ASSERT_EQ(encoding_reduced(bytes, portable), number < kem_q);
      ASSERT_EQ(encoding_reduced(bytes, avx2), number < kem_q);
    }
  }
}

TEST_F(KemPaths, Sampling) {
  for (int round = 0; round < 50; ++round) {
    std::array<std::uint8_t, 32> seed;
    random_.fill(seed);
    for (const std::size_t size : {std::size_t{9}, std::size_t{16}}) {
      std::array<Poly, 16> one{};
      std::array<Poly, 16> other{};
      for (const MatrixForm form : {MatrixForm::plain, MatrixForm::transposed}) {
        sample_matrix(std::span(one).first(size), seed, form, portable);
        sample_matrix(std::span(other).first(size), seed, form, avx2);
        for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(one[i].c, other[i].c);
      }
    }
    for (std::size_t size = 1; size <= 4; ++size) {
      std::array<Poly, 4> one;
      std::array<Poly, 4> other;
      sample_noise(std::span(one).first(size), seed, 250, portable);
      sample_noise(std::span(other).first(size), seed, 250, avx2);
      for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(one[i].c, other[i].c);
    }
  }
}

}  // namespace
}  // namespace godwit::crypto
