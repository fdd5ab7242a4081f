// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/key_encoding.h"

#include "crypto/field_25519.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto::signal {
namespace {

template <std::size_t Size>
std::array<std::uint8_t, 1 + Size> with_kind(std::uint8_t kind,
                                             std::span<const std::uint8_t, Size> key) {
  std::array<std::uint8_t, 1 + Size> encoded;
  encoded[0] = kind;
  std::ranges::copy(key, encoded.begin() + 1);
  return encoded;
}

// What follows the kind; none when kind or length is another.
template <std::size_t Size>
std::optional<std::span<const std::uint8_t, Size>> of_kind(std::uint8_t kind, Bytes bytes) {
  if (bytes.size() != 1 + Size || bytes[0] != kind) return std::nullopt;
  return std::span<const std::uint8_t, Size>(bytes.subspan(1));
}

template <typename Array>
std::optional<Array> array_of_kind(std::uint8_t kind, Bytes bytes) {
  const auto view = of_kind<std::tuple_size_v<Array>>(kind, bytes);
  if (!view) return std::nullopt;
  Array array;
  std::ranges::copy(*view, array.begin());
  return array;
}

}  // namespace

EncodedPublicKey encode_public_key(const PublicKey& key) {
  return with_kind<32>(curve_25519_kind, key);
}

EncodedKyberKey encode_kyber_key(Kyber1024::PublicKeyView key) {
  return with_kind(kyber_1024_kind, key);
}

EncodedKyberCiphertext encode_kyber_ciphertext(Kyber1024::CiphertextView ciphertext) {
  return with_kind(kyber_1024_kind, ciphertext);
}

std::optional<PublicKey> decode_public_key(Bytes bytes) {
  return array_of_kind<PublicKey>(curve_25519_kind, bytes);
}

std::optional<Kyber1024::PublicKey> decode_kyber_key(Bytes bytes) {
  return array_of_kind<Kyber1024::PublicKey>(kyber_1024_kind, bytes);
}

std::optional<Kyber1024::CiphertextView> decode_kyber_ciphertext(Bytes bytes) {
  return of_kind<Kyber1024::sizes.ciphertext>(kyber_1024_kind, bytes);
}

bool in_prime_order_subgroup(const PublicKey& key) {
  sodium_ready();
  const Field25519 u = Field25519::from_bytes(key);
  if (u.bytes() != key) return false;
  const Field25519 one = Field25519::one();
  // Both points of this u are in the subgroup or neither is, so the sign may be 0.
  const std::array<std::uint8_t, 32> y = ((u - one) * (u + one).inverse()).bytes();
  return crypto_core_ed25519_is_valid_point(y.data()) == 1;
}

}  // namespace godwit::crypto::signal
