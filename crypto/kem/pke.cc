// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/pke.h"

#include "crypto/kem/poly_coding.h"

namespace godwit::crypto {
namespace {

// The i-th of equal parts.
template <std::size_t Size, typename Byte, std::size_t Whole>
std::span<Byte, Size> part(std::span<Byte, Whole> bytes, std::size_t i) {
  return bytes.subspan(i * Size).template first<Size>();
}

template <std::size_t Size>
std::span<const Poly> row(const std::array<Poly, Size>& matrix, std::size_t i) {
  constexpr std::size_t side = Size == 9 ? 3 : 4;
  return std::span(matrix).subspan(i * side, side);
}

}  // namespace

template <KemSet Set>
void Pke<Set>::generate(const Generate& call) {
  std::array<Poly, sizes.rank * sizes.rank> matrix;
  sample_matrix(matrix, call.matrix_seed, MatrixForm::plain);
  Wiped<std::array<Vector, 2>> secrets;  // s, then e
  auto& [s, e] = *secrets;
  sample_noise(s, call.noise_seed, 0);
  sample_noise(e, call.noise_seed, sizes.rank);
  for (std::size_t i = 0; i < sizes.rank; ++i) {
    ntt(s[i]);
    encode(part<poly_bytes>(call.private_vector, i), s[i]);
  }
  Wiped<Poly> sum;
  for (std::size_t i = 0; i < sizes.rank; ++i) {
    inner_product(*sum, row(matrix, i), s);
    multiply_by_r(*sum);
    ntt(e[i]);
    add(*sum, e[i]);
    reduce(*sum);
    encode(part<poly_bytes>(call.public_vector, i), *sum);
  }
}

template <KemSet Set>
void Pke<Set>::sample_ephemeral(Ephemeral& ephemeral, Seed coins) {
  sample_noise(*ephemeral, coins, 0);
  for (Poly& poly : *ephemeral) ntt(poly);
}

template <KemSet Set>
void Pke<Set>::encrypt_u(const EncryptU& call) {
  std::array<Poly, sizes.rank * sizes.rank> matrix;
  sample_matrix(matrix, call.matrix_seed, MatrixForm::transposed);
  Wiped<Vector> noise;
  sample_noise(*noise, call.coins, sizes.rank);
  Wiped<Poly> u;
  for (std::size_t i = 0; i < sizes.rank; ++i) {
    inner_product(*u, row(matrix, i), *call.ephemeral);
    inverse_ntt(*u);
    add(*u, (*noise)[i]);
    reduce(*u);
    compress<sizes.u_bits>(part<packed_size(sizes.u_bits)>(call.out, i), *u);
  }
}

template <KemSet Set>
void Pke<Set>::encrypt_v(const EncryptV& call) {
  Vector t;
  for (std::size_t i = 0; i < sizes.rank; ++i)
    decode(t[i], part<poly_bytes>(call.public_vector, i));
  struct Secrets {
    Poly v;
    Poly other;
  };
  Wiped<Secrets> secrets;
  inner_product(secrets->v, t, *call.ephemeral);
  inverse_ntt(secrets->v);
  sample_noise({&secrets->other, 1}, call.coins, 2 * sizes.rank);
  add(secrets->v, secrets->other);
  decompress<1>(secrets->other, call.message);
  add(secrets->v, secrets->other);
  reduce(secrets->v);
  compress<sizes.v_bits>(call.out, secrets->v);
}

template <KemSet Set>
void Pke<Set>::decrypt(std::span<std::uint8_t, 32> message, VectorBytes private_vector,
                       std::span<const std::uint8_t, sizes.ciphertext> ciphertext) {
  struct Secrets {
    Vector s;
    Poly product;
    Poly w;
  };
  Wiped<Secrets> secrets;
  Vector u;
  for (std::size_t i = 0; i < sizes.rank; ++i) {
    decode(secrets->s[i], part<poly_bytes>(private_vector, i));
    constexpr std::size_t size = packed_size(sizes.u_bits);
    decompress<sizes.u_bits>(u[i], part<size>(ciphertext, i));
    ntt(u[i]);
  }
  inner_product(secrets->product, secrets->s, u);
  inverse_ntt(secrets->product);
  decompress<sizes.v_bits>(secrets->w, ciphertext.template last<sizes.ciphertext_v>());
  subtract(secrets->w, secrets->product);
  reduce(secrets->w);
  compress<1>(message, secrets->w);
}

template struct Pke<KemSet::ml_kem_768>;
template struct Pke<KemSet::ml_kem_1024>;
template struct Pke<KemSet::kyber_1024>;

}  // namespace godwit::crypto
