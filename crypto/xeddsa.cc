// SPDX-License-Identifier: Apache-2.0
#include "crypto/xeddsa.h"

#include <algorithm>
#include <initializer_list>

#include "crypto/constant_time.h"
#include "crypto/field_25519.h"
#include "crypto/sodium_ready.h"

// Names as in the specification: k the Montgomery private key, a and A the Edwards pair, r, R, h,
// s.

namespace godwit::crypto {
namespace {

using Scalar = Secret<crypto_core_ed25519_SCALARBYTES>;
using Point = std::array<std::uint8_t, 32>;

// SHA-512 of the parts, modulo the order q.
Scalar hash_to_scalar(std::initializer_list<Bytes> parts) {
  Wiped<crypto_hash_sha512_state> state;
  crypto_hash_sha512_init(&*state);
  for (Bytes part : parts) {
    if (!part.empty()) crypto_hash_sha512_update(&*state, part.data(), part.size());
  }
  Secret<crypto_hash_sha512_BYTES> digest;
  crypto_hash_sha512_final(&*state, digest.data());
  Scalar scalar;
  crypto_core_ed25519_scalar_reduce(scalar.data(), digest.data());
  return scalar;
}

// A scalar that is not zero modulo q; hashes are so only once in 2^252.
Point times_base(const Scalar& scalar) {
  Point point;
  GODWIT_CHECK(crypto_scalarmult_ed25519_base_noclamp(point.data(), scalar.data()) == 0);
  return point;
}

struct EdwardsPair {
  Scalar private_scalar;
  Point public_point;
};

// calculate_key_pair: the key whose sign is 0.
EdwardsPair edwards_pair(const PrivateKey& key) {
  Secret<64> wide;
  std::ranges::copy(key.bytes(), wide.data());
  wide.data()[0] &= 248;
  wide.data()[31] &= 127;
  wide.data()[31] |= 64;
  EdwardsPair pair;
  Scalar& a = pair.private_scalar;
  crypto_core_ed25519_scalar_reduce(a.data(), wide.data());
  pair.public_point = times_base(a);
  Scalar negative;
  crypto_core_ed25519_scalar_negate(negative.data(), a.data());
  const std::uint32_t mask = mask_of_bit(pair.public_point[31] >> 7);
  for (std::size_t i = 0; i < a.size; ++i) {
    a.data()[i] =
        static_cast<std::uint8_t>(a.data()[i] ^ (mask & (a.data()[i] ^ negative.data()[i])));
  }
  pair.public_point[31] &= 0x7f;
  return pair;
}

}  // namespace

Signature xeddsa_sign(const PrivateKey& key, Bytes message, RandomSource& random) {
  Secret<64> z;
  random.fill(z.writable());
  return xeddsa_sign_with(key, message, z);
}

Signature xeddsa_sign_with(const PrivateKey& key, Bytes message, const Secret<64>& random) {
  sodium_ready();
  const EdwardsPair pair = edwards_pair(key);
  const Scalar& a = pair.private_scalar;
  // hash_1: 2^256 - 2 comes first, which no encoded point or scalar is.
  std::array<std::uint8_t, 32> first;
  first.fill(0xff);
  first[0] = 0xfe;
  const Scalar r = hash_to_scalar({first, a.bytes(), message, random.bytes()});
  const Point big_r = times_base(r);
  const Scalar h = hash_to_scalar({big_r, pair.public_point, message});
  Scalar product;
  crypto_core_ed25519_scalar_mul(product.data(), h.data(), a.data());
  Scalar s;
  crypto_core_ed25519_scalar_add(s.data(), r.data(), product.data());
  Signature signature;
  std::ranges::copy(big_r, signature.begin());
  std::ranges::copy(s.bytes(), signature.begin() + 32);
  return signature;
}

bool xeddsa_verify(const PublicKey& key, Bytes message, const Signature& signature) {
  const Field25519 u = Field25519::from_bytes(key);
  if (u.bytes() != key) return false;
  const Field25519 one = Field25519::one();
  SigningPublicKey edwards = ((u - one) * (u + one).inverse()).bytes();
  edwards[31] |= signature[63] & 0x80;
  Signature plain = signature;
  plain[63] &= 0x7f;
  return verify_signature(edwards, message, plain);
}

}  // namespace godwit::crypto
