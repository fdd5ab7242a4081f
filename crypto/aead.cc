// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include "base/result.h"
#include "crypto/cipher.h"

namespace godwit::crypto {
namespace {

// Whether a frame of this size is worth an expanded key: libcrypto takes the long ones and expands
// on its own. A cache has room only where the CPU has AES.
bool is_cacheable(const AeadCache& cache, const TransportKey& key, Bytes in) {
  return key.kind == AeadKind::aes_256_gcm && in.size() < aes_gcm_libcrypto_from &&
         cache.capacity() > 0;
}

}  // namespace

bool seal(TransportKey& key, Bytes associated, Bytes plain, MutableBytes out) {
  if (key.counter == TransportKey::counter_end) return false;
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  cipher_seal(key.kind, {key.key, nonce, associated, plain, out});
  ++key.counter;
  return true;
}

bool open(TransportKey& key, Bytes associated, Bytes sealed, MutableBytes out) {
  if (key.counter == TransportKey::counter_end) return false;
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  if (!cipher_open(key.kind, {key.key, nonce, associated, sealed, out})) return false;
  ++key.counter;
  return true;
}

bool seal(AeadCache& cache, std::uint64_t connection, TransportKey& key, Bytes associated,
          Bytes plain, MutableBytes out) {
  if (!is_cacheable(cache, key, plain)) return seal(key, associated, plain, out);
  if (key.counter == TransportKey::counter_end) return false;
  GODWIT_CHECK(out.size() >= plain.size() + aead_tag_size);
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  const auto& state = cache.expand(connection, AeadCache::Direction::send, key.key);
  GODWIT_CHECK(crypto_aead_aes256gcm_encrypt_afternm(
                   out.data(), nullptr, plain.data(), plain.size(), associated.data(),
                   associated.size(), nullptr, nonce.data(), &state) == 0);
  ++key.counter;
  return true;
}

bool open(AeadCache& cache, std::uint64_t connection, TransportKey& key, Bytes associated,
          Bytes sealed, MutableBytes out) {
  if (!is_cacheable(cache, key, sealed)) return open(key, associated, sealed, out);
  if (key.counter == TransportKey::counter_end || sealed.size() < aead_tag_size) return false;
  GODWIT_CHECK(out.size() >= sealed.size() - aead_tag_size);
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  const auto& state = cache.expand(connection, AeadCache::Direction::receive, key.key);
  if (crypto_aead_aes256gcm_decrypt_afternm(out.data(), nullptr, nullptr, sealed.data(),
                                            sealed.size(), associated.data(), associated.size(),
                                            nonce.data(), &state) != 0) {
    return false;
  }
  ++key.counter;
  return true;
}

}  // namespace godwit::crypto
