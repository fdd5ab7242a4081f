// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/sampling.h"

#include <bit>

#include "base/result.h"
#include "crypto/constant_time.h"
#include "crypto/kem/avx2.h"
#include "crypto/kem/keccak.h"

namespace godwit::crypto {
namespace {

constexpr std::size_t matrix_block = keccak_rate(KeccakKind::shake128);
static_assert(matrix_block % 3 == 0);  // three bytes give two numbers, so blocks stand alone
constexpr std::size_t noise_bytes = 64 * 2;

// Algorithm 7 over one block, or what is left of it. Returns how many coefficients there are now.
std::size_t take_samples(Poly& poly, std::size_t count, std::span<const std::uint8_t> block) {
  for (std::size_t i = 0; i < block.size() && count < poly_size; i += 3) {
    const unsigned first = block[i] | (block[i + 1] & 15u) << 8;
    const unsigned second = block[i + 1] >> 4 | unsigned{block[i + 2]} << 4;
    if (first < kem_q) poly.c[count++] = static_cast<std::int16_t>(first);
    if (second < kem_q && count < poly_size) poly.c[count++] = static_cast<std::int16_t>(second);
  }
  return count;
}

std::size_t take_samples(Poly& poly, std::size_t count,
                         std::span<const std::uint8_t, matrix_block> block, KemPath path) {
  std::size_t looked_at = 0;
  if (path == KemPath::avx2) {
    const avx2::Taken taken = avx2::take_samples(poly.c.data(), count, block.data());
    count = taken.count;
    looked_at = taken.bytes;
  }
  return take_samples(poly, count, block.subspan(looked_at));
}

void sample_uniform(Poly& poly, Seed seed, std::array<std::uint8_t, 2> indices, KemPath path) {
  Keccak xof(KeccakKind::shake128);
  xof.absorb(seed);
  xof.absorb(indices);
  std::array<std::uint8_t, matrix_block> block;
  for (std::size_t count = 0; count < poly_size;) {
    xof.squeeze(block);
    count = take_samples(poly, count, block, path);
  }
}

void sample_four_uniform(std::span<Poly, 4> polys, Seed seed,
                         const std::array<std::array<std::uint8_t, 2>, 4>& indices, KemPath path) {
  KeccakFour xof(KeccakKind::shake128, path);
  xof.absorb(seed, indices, 2);
  std::array<std::array<std::uint8_t, matrix_block>, 4> blocks;
  std::array<std::size_t, 4> counts{};
  while (std::ranges::min(counts) < poly_size) {
    xof.squeeze({blocks[0], blocks[1], blocks[2], blocks[3]});
    for (std::size_t i = 0; i < 4; ++i) {
      counts[i] = take_samples(polys[i], counts[i], blocks[i], path);
    }
  }
}

// Algorithm 8 with eta = 2: each coefficient is the sum of two bits less the sum of two others. The
// sums of eight coefficients are taken at once, in pairs of bits.
void sample_binomial(Poly& poly, std::span<const std::uint8_t, noise_bytes> bytes, KemPath path) {
  if (path == KemPath::avx2) return avx2::sample_binomial(poly.c.data(), bytes.data());
  for (std::size_t i = 0; i < poly_size / 8; ++i) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data() + 4 * i, sizeof word);
    const std::uint32_t sums = (word & 0x55555555) + (word >> 1 & 0x55555555);
    for (unsigned j = 0; j < 8; ++j) {
      const auto plus = static_cast<std::int16_t>(sums >> (4 * j) & 3);
      const auto minus = static_cast<std::int16_t>(sums >> (4 * j + 2) & 3);
      poly.c[8 * i + j] = static_cast<std::int16_t>(plus - minus);
    }
  }
}

}  // namespace

void sample_matrix(std::span<Poly> matrix, Seed seed, MatrixForm form, KemPath path) {
  GODWIT_CHECK(matrix.size() == 9 || matrix.size() == 16);
  const std::uint8_t side = matrix.size() == 9 ? 3 : 4;
  std::array<std::array<std::uint8_t, 2>, 16> indices;
  for (std::uint8_t row = 0; row < side; ++row) {
    for (std::uint8_t column = 0; column < side; ++column) {
      // A[row][column] is sampled from seed ‖ column ‖ row (algorithm 13, step 5).
      indices[std::size_t{row} * side + column] =
          form == MatrixForm::plain ? std::array{column, row} : std::array{row, column};
    }
  }
  std::size_t i = 0;
  for (; i + 4 <= matrix.size(); i += 4) {
    sample_four_uniform(matrix.subspan(i).first<4>(), seed,
                        {indices[i], indices[i + 1], indices[i + 2], indices[i + 3]}, path);
  }
  for (; i < matrix.size(); ++i) sample_uniform(matrix[i], seed, indices[i], path);
}

void sample_noise(std::span<Poly> polys, Seed seed, std::uint8_t first, KemPath path) {
  Secret<4 * noise_bytes> bytes;
  const auto part = [&](std::size_t i) {
    return bytes.writable().subspan(i * noise_bytes).first<noise_bytes>();
  };
  if (polys.size() == 1) {
    shake256(part(0), {seed, Bytes(&first, 1)});
  } else {
    GODWIT_CHECK(polys.size() <= 4);
    std::array<std::array<std::uint8_t, 2>, 4> numbers{};
    for (std::size_t i = 0; i < 4; ++i) numbers[i][0] = static_cast<std::uint8_t>(first + i);
    KeccakFour prf(KeccakKind::shake256, path);
    prf.absorb(seed, numbers, 1);
    prf.squeeze({part(0), part(1), part(2), part(3)});
  }
  for (std::size_t i = 0; i < polys.size(); ++i) sample_binomial(polys[i], part(i), path);
}

}  // namespace godwit::crypto
