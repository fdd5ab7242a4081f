// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include "base/result.h"
#include "crypto/cipher.h"

namespace godwit::crypto {
namespace {

bool is_cacheable(const AeadCache& cache, const TransportKey& key) {
  return key.kind == AeadKind::aes_256_gcm && cache.functions() != nullptr;
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
  if (!is_cacheable(cache, key)) return seal(key, associated, plain, out);
  if (key.counter == TransportKey::counter_end) return false;
  GODWIT_CHECK(out.size() >= plain.size() + aead_tag_size);
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  const auto& expanded = cache.expand(connection, AeadCache::Direction::send, key.key);
  cache.functions()->seal(
      aes_gcm_call(expanded, {key.key, nonce, associated, plain, out}, plain.size()));
  ++key.counter;
  return true;
}

bool open(AeadCache& cache, std::uint64_t connection, TransportKey& key, Bytes associated,
          Bytes sealed, MutableBytes out) {
  if (!is_cacheable(cache, key)) return open(key, associated, sealed, out);
  if (key.counter == TransportKey::counter_end || sealed.size() < aead_tag_size) return false;
  const std::size_t text_size = sealed.size() - aead_tag_size;
  GODWIT_CHECK(out.size() >= text_size);
  const AeadNonce nonce = noise_nonce(key.kind, key.counter);
  const auto& expanded = cache.expand(connection, AeadCache::Direction::receive, key.key);
  const CipherCall call{key.key, nonce, associated, sealed, out};
  if (!aes_gcm::open(*cache.functions(), aes_gcm_call(expanded, call, text_size))) return false;
  ++key.counter;
  return true;
}

}  // namespace godwit::crypto
