// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/erasure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "crypto/signal/spqr/gf16.h"

// The code is held to another way of doing the same: products by schoolbook and long division, and
// polynomials found by Gaussian elimination instead of Lagrange's formula.

namespace godwit::crypto::signal {
namespace {

std::uint16_t slow_multiply(std::uint16_t left, std::uint16_t right) {
  std::uint32_t product = 0;
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j)
      product ^= std::uint32_t((left >> i & 1) & (right >> j & 1)) << (i + j);
  }
  for (int degree = 30; degree >= 16; --degree) {
    if (product >> degree & 1) product ^= 0x1100bU << (degree - 16);
  }
  return static_cast<std::uint16_t>(product);
}

std::uint16_t slow_inverse(std::uint16_t value) {
  std::uint16_t power = 1;
  for (int i = 0; i < 0xfffe; ++i) power = gf16::multiply(power, value);
  return power;
}

using Row = std::vector<std::uint16_t>;

// The coefficients of the polynomial through (x, y), lowest first.
Row interpolate(const Row& xs, Row ys) {
  const std::size_t size = xs.size();
  std::vector<Row> matrix(size, Row(size));
  for (std::size_t i = 0; i < size; ++i) {
    std::uint16_t power = 1;
    for (std::size_t j = 0; j < size; ++j, power = slow_multiply(power, xs[i]))
      matrix[i][j] = power;
  }
  for (std::size_t column = 0; column < size; ++column) {
    std::size_t pivot = column;
    while (matrix[pivot][column] == 0) ++pivot;
    std::swap(matrix[pivot], matrix[column]);
    std::swap(ys[pivot], ys[column]);
    const std::uint16_t scale = gf16::inverse(matrix[column][column]);
    for (auto& cell : matrix[column]) cell = slow_multiply(cell, scale);
    ys[column] = slow_multiply(ys[column], scale);
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint16_t factor = matrix[i][column];
      if (i == column || factor == 0) continue;
      for (std::size_t j = 0; j < size; ++j) {
        matrix[i][j] ^= slow_multiply(factor, matrix[column][j]);
      }
      ys[i] ^= slow_multiply(factor, ys[column]);
    }
  }
  return ys;
}

std::uint16_t value_at(const Row& coefficients, std::uint16_t x) {
  std::uint16_t value = 0;
  for (std::size_t i = coefficients.size(); i-- > 0;)
    value = slow_multiply(value, x) ^ coefficients[i];
  return value;
}

std::uint16_t column_of(Bytes chunk, std::size_t column) {
  return static_cast<std::uint16_t>(chunk[2 * column] << 8 | chunk[2 * column + 1]);
}

std::vector<std::uint8_t> some_message(std::size_t chunks, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<std::uint8_t> message(chunks * chunk_size);
  random.fill(message);
  return message;
}

TEST(Gf16, ProductsAreThoseOfTheSchoolbook) {
  SeededRandom random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto left = static_cast<std::uint16_t>(random.next_u64());
    const auto right = static_cast<std::uint16_t>(random.next_u64());
    ASSERT_EQ(gf16::multiply(left, right), slow_multiply(left, right)) << left << ' ' << right;
  }
  EXPECT_EQ(gf16::multiply(0x8000, 2), 0x100b);
  EXPECT_EQ(gf16::multiply(0xffff, 1), 0xffff);
  EXPECT_EQ(gf16::multiply(0xffff, 0), 0);
}

TEST(Gf16, EveryElementButZeroHasItsInverse) {
  for (std::uint32_t value = 1; value <= 0xffff; ++value) {
    const auto element = static_cast<std::uint16_t>(value);
    ASSERT_EQ(gf16::multiply(element, gf16::inverse(element)), 1) << value;
  }
  EXPECT_EQ(gf16::inverse(0x1234), slow_inverse(0x1234));
}

TEST(Gf16, ColumnsAreScaledOneByOne) {
  SeededRandom random(2);
  for (int round = 0; round < 500; ++round) {
    Chunk chunk, other;
    random.fill(chunk);
    random.fill(other);
    const auto factor = static_cast<std::uint16_t>(random.next_u64());
    gf16::Columns sum(other);
    sum.add_scaled(gf16::Columns(chunk), factor);
    const Chunk result = sum.chunk();
    for (std::size_t i = 0; i < 16; ++i) {
      ASSERT_EQ(column_of(result, i),
                column_of(other, i) ^ slow_multiply(factor, column_of(chunk, i)));
    }
  }
}

TEST(ErasureEncoder, TheFirstChunksAreTheMessageAndOthersLieOnItsPolynomials) {
  for (std::size_t chunks : {1, 2, 3, 5, 30, 36}) {
    const auto message = some_message(chunks, chunks);
    ErasureEncoder encoder(message);
    for (std::size_t i = 0; i < chunks; ++i) {
      const IndexedChunk chunk = encoder.next();
      ASSERT_EQ(chunk.index, i);
      ASSERT_TRUE(
          std::ranges::equal(chunk.bytes, Bytes(message).subspan(i * chunk_size, chunk_size)));
    }
    Row xs(chunks);
    std::iota(xs.begin(), xs.end(), 0);
    for (std::size_t column : {std::size_t{0}, std::size_t{7}, std::size_t{15}}) {
      Row ys(chunks);
      for (std::size_t i = 0; i < chunks; ++i) {
        ys[i] = column_of(Bytes(message).subspan(i * chunk_size, chunk_size), column);
      }
      const Row polynomial = interpolate(xs, ys);
      for (std::uint16_t x : {std::size_t{36}, chunks, std::size_t{1000}, std::size_t{0xffff}}) {
        ASSERT_EQ(column_of(encoder.at(x), column), value_at(polynomial, x)) << chunks << ' ' << x;
      }
    }
  }
}

TEST(ErasureEncoder, AfterTheLastIndexComesTheFirst) {
  const auto message = some_message(3, 9);
  std::vector<std::uint8_t> stored{0xff, 0xff};
  stored.insert(stored.end(), message.begin(), message.end());
  ByteReader in(stored);
  ErasureEncoder encoder = ErasureEncoder::read(in, 3);
  ASSERT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(encoder.next().index, 0xffff);
  EXPECT_EQ(encoder.next().index, 0);
}

TEST(ErasureDecoder, AnyChunksInAnyOrderGiveTheMessage) {
  SeededRandom random(3);
  for (std::size_t chunks : {1, 2, 3, 5, 30, 36}) {
    const auto message = some_message(chunks, 100 + chunks);
    const ErasureEncoder encoder(message);
    for (std::uint64_t range :
         {std::uint64_t{chunks}, std::uint64_t{2 * chunks}, std::uint64_t{65'536}}) {
      ErasureDecoder decoder(chunks);
      int given = 0;
      while (!decoder.complete()) {
        const auto index = static_cast<std::uint16_t>(random.below(range));
        decoder.add({.index = index, .bytes = encoder.at(index)});
        ASSERT_LT(++given, 1000);
      }
      EXPECT_EQ(decoder.message(), message) << chunks << " of " << range;
    }
  }
}

TEST(ErasureDecoder, TheSameChunkTwiceCountsOnce) {
  const auto message = some_message(3, 4);
  ErasureEncoder encoder(message);
  ErasureDecoder decoder(3);
  const IndexedChunk first = encoder.next();
  for (int i = 0; i < 5; ++i) decoder.add(first);
  decoder.add(encoder.next());
  EXPECT_FALSE(decoder.complete());
  decoder.add(encoder.next());
  ASSERT_TRUE(decoder.complete());
  // One more than needed, and a wrong one at that, changes nothing.
  decoder.add({.index = 77, .bytes = {}});
  EXPECT_EQ(decoder.message(), message);
}

TEST(ErasureDecoder, WhatIsStoredIsReadAgainAndNothingElseIs) {
  const auto message = some_message(5, 5);
  const ErasureEncoder encoder(message);
  ErasureDecoder decoder(5);
  std::vector<std::vector<std::uint8_t>> forms;
  for (std::uint16_t index : {3, 900, 1, 40'000, 17}) {
    decoder.add({.index = index, .bytes = encoder.at(index)});
    std::vector<std::uint8_t> form(decoder.write_size());
    ByteWriter out(form);
    decoder.write(out);
    ASSERT_TRUE(out.ok());
    ByteReader in(form);
    decoder = ErasureDecoder::read(in, 5);
    ASSERT_TRUE(in.ok() && in.at_end());
    forms.push_back(std::move(form));
  }
  EXPECT_EQ(decoder.message(), message);

  const auto refused = [](std::vector<std::uint8_t> form, std::size_t chunks) {
    ByteReader in(form);
    ErasureDecoder::read(in, chunks);
    return !in.ok();
  };
  EXPECT_FALSE(refused(forms.back(), 5));
  EXPECT_TRUE(refused(forms.back(), 4)) << "more chunks than needed";
  auto cut = forms.back();
  cut.pop_back();
  EXPECT_TRUE(refused(cut, 5));
  auto twice = forms[1];
  std::ranges::copy(Bytes(twice).subspan(1, 2), twice.begin() + 1 + 34);
  EXPECT_TRUE(refused(twice, 5)) << "an index twice";
}

}  // namespace
}  // namespace godwit::crypto::signal
