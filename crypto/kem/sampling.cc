// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/sampling.h"

#include <bit>

#include "base/result.h"
#include "crypto/constant_time.h"
#include "crypto/kem/keccak.h"

namespace godwit::crypto {
namespace {

constexpr std::size_t matrix_block = keccak_rate(KeccakKind::shake128);
static_assert(matrix_block % 3 == 0);  // three bytes give two numbers, so blocks stand alone
constexpr std::size_t noise_bytes = 64 * 2;

// Algorithm 7 over one block. Returns how many coefficients there are now.
std::size_t take_samples(Poly& poly, std::size_t count,
                         std::span<const std::uint8_t, matrix_block> block) {
  for (std::size_t i = 0; i < matrix_block && count < poly_size; i += 3) {
    const unsigned first = block[i] | (block[i + 1] & 15u) << 8;
    const unsigned second = block[i + 1] >> 4 | unsigned{block[i + 2]} << 4;
    if (first < kem_q) poly.c[count++] = static_cast<std::int16_t>(first);
    if (second < kem_q && count < poly_size) poly.c[count++] = static_cast<std::int16_t>(second);
  }
  return count;
}

void sample_uniform(Poly& poly, Seed seed, std::array<std::uint8_t, 2> indices) {
  Keccak xof(KeccakKind::shake128);
  xof.absorb(seed);
  xof.absorb(indices);
  std::array<std::uint8_t, matrix_block> block;
  for (std::size_t count = 0; count < poly_size;) {
    xof.squeeze(block);
    count = take_samples(poly, count, block);
  }
}

// Algorithm 8 with eta = 2: each coefficient is the sum of two bits less the sum of two others. The
// sums of eight coefficients are taken at once, in pairs of bits.
void sample_binomial(Poly& poly, std::span<const std::uint8_t, noise_bytes> bytes) {
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

void sample_matrix(std::span<Poly> matrix, Seed seed, MatrixForm form) {
  GODWIT_CHECK(matrix.size() == 9 || matrix.size() == 16);
  const std::uint8_t side = matrix.size() == 9 ? 3 : 4;
  for (std::uint8_t row = 0; row < side; ++row) {
    for (std::uint8_t column = 0; column < side; ++column) {
      // A[row][column] is sampled from seed ‖ column ‖ row (algorithm 13, step 5).
      sample_uniform(matrix[std::size_t{row} * side + column], seed,
                     form == MatrixForm::plain ? std::array{column, row} : std::array{row, column});
    }
  }
}

void sample_noise(std::span<Poly> polys, Seed seed, std::uint8_t first) {
  Secret<noise_bytes> bytes;
  for (Poly& poly : polys) {
    shake256(bytes.writable(), {seed, Bytes(&first, 1)});
    sample_binomial(poly, bytes.bytes());
    ++first;
  }
}

}  // namespace godwit::crypto
