// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/kem/keccak_four.h"
#include "crypto/kem/poly.h"

// Polynomials from seeds (FIPS 203, section 4.2.2). Internal to crypto/kem. Thread safe.

namespace godwit::crypto {

using Seed = std::span<const std::uint8_t, 32>;

enum class MatrixForm : std::uint8_t { plain, transposed };

// The matrix A of a public seed, row by row; its side is the square root of its size. Already in
// the domain of the transform, least coefficients. Rejects samples, so its time depends on the
// seed.
void sample_matrix(std::span<Poly> matrix, Seed seed, MatrixForm form, KemPath path = kem_path());

// SamplePolyCBD2(PRF2(seed, first + i)) for each polynomial, of which there are at most four;
// coefficients from -2 to 2. Constant time.
void sample_noise(std::span<Poly> polys, Seed seed, std::uint8_t first, KemPath path = kem_path());

}  // namespace godwit::crypto
