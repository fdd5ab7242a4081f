// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// What of key encapsulation there is for AVX2, by the names of the functions it stands in for,
// whose contracts it has. Polynomials are their 256 coefficients. Internal to crypto/kem; REQUIRES
// a processor with AVX2. Thread safe; nothing but sampling_avx2 branches on or indexes by what it
// is given, which is public there.
//
// The files behind this are compiled for AVX2, so they include no header of the project that has
// inline functions: none of those may come out of that and be linked into code that runs on every
// processor. Hence pointers, and arrays that are C's.

namespace godwit::crypto::avx2 {

void permute_four(std::uint64_t (&states)[25][4]);

void ntt(std::int16_t* poly);
void inverse_ntt(std::int16_t* poly);
// `row` and `column` are `rank` polynomials, one behind the other.
void inner_product(std::int16_t* sum, const std::int16_t* row, const std::int16_t* column,
                   std::size_t rank);
void multiply_by_r(std::int16_t* poly);
void reduce(std::int16_t* poly);

void encode(std::uint8_t* out, const std::int16_t* poly);
void decode(std::int16_t* poly, const std::uint8_t* bytes);
bool encoding_reduced(const std::uint8_t* bytes);
// Of 1, 4, 5, 10 or 11 bits.
template <unsigned Bits>
void compress(std::uint8_t* out, const std::int16_t* poly);
template <unsigned Bits>
void decompress(std::int16_t* poly, const std::uint8_t* bytes);

// Takes samples from the 168 bytes of a block while there is room for sixteen more coefficients
// behind `count`. What it has not looked at is for the caller.
struct Taken {
  std::size_t count;  // coefficients that there are now
  std::size_t bytes;  // of the block
};
Taken take_samples(std::int16_t* poly, std::size_t count, const std::uint8_t* block);
// Of 128 bytes.
void sample_binomial(std::int16_t* poly, const std::uint8_t* bytes);

}  // namespace godwit::crypto::avx2
