// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/ratchet.h"

#include "crypto/hash.h"
#include "crypto/hkdf.h"

namespace godwit::crypto::signal {
namespace {

// Section 7.2, KDF_CK: what a chain key is asked for.
constexpr std::uint8_t message_constant = 0x01;
constexpr std::uint8_t chain_constant = 0x02;

Secret<32> chain_hmac(const Secret<32>& key, std::uint8_t constant) {
  const Digest digest = hmac(NoiseHash::sha256, key.bytes(), {Bytes(&constant, 1)});
  return Secret<32>(digest.bytes().first<32>());
}

}  // namespace

Secret<32> ChainKey::message_seed() const {
  return chain_hmac(key, message_constant);
}

ChainKey ChainKey::next() const {
  return {chain_hmac(key, chain_constant), index + 1};
}

std::optional<RatchetStep> ratchet_step(const Secret<32>& root, const RatchetKeys& keys) {
  Secret<32> shared;
  if (!diffie_hellman(shared, keys.local, keys.remote)) return std::nullopt;
  Secret<64> out;
  hkdf_sha256(
      out.writable(),
      {.salt = root.bytes(), .key_material = shared.bytes(), .info = as_bytes("WhisperRatchet")});
  return RatchetStep{Secret<32>(out.bytes().first<32>()), {Secret<32>(out.bytes().last<32>()), 0}};
}

MessageKeys derive_message_keys(const Secret<32>& seed, Bytes pq_key) {
  Secret<80> out;
  hkdf_sha256(
      out.writable(),
      {.salt = pq_key, .key_material = seed.bytes(), .info = as_bytes("WhisperMessageKeys")});
  return {Secret<32>(out.bytes().subspan<0, 32>()), Secret<32>(out.bytes().subspan<32, 32>()),
          Secret<16>(out.bytes().subspan<64, 16>())};
}

}  // namespace godwit::crypto::signal
