// SPDX-License-Identifier: Apache-2.0
// libcrypto's SHA-256 uses the processor's instructions for it: 75 ns instead of libsodium's 422
// for two blocks. Its own functions rather than EVP's, which allocate for each hash; OpenSSL 3
// calls them deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash.h"

#include <openssl/sha.h>

#include "base/result.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto {
namespace {

// One running hash; wiped, because within HMAC its state depends on the key.
class Hasher {
 public:
  explicit Hasher(NoiseHash kind) : kind_(kind) {
    sodium_ready();
    if (kind_ == NoiseHash::sha256) {
      GODWIT_CHECK(SHA256_Init(&state_.sha256) == 1);
    } else {
      crypto_generichash_blake2b_init(&state_.blake2b, nullptr, 0, hash_size(kind_));
    }
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() { sodium_memzero(&state_, sizeof state_); }

  void update(Bytes bytes) {
    if (bytes.empty()) return;
    if (kind_ == NoiseHash::sha256) {
      GODWIT_CHECK(SHA256_Update(&state_.sha256, bytes.data(), bytes.size()) == 1);
    } else {
      crypto_generichash_blake2b_update(&state_.blake2b, bytes.data(), bytes.size());
    }
  }

  Digest finish() {
    Digest digest;
    if (kind_ == NoiseHash::sha256) {
      GODWIT_CHECK(SHA256_Final(digest.data(), &state_.sha256) == 1);
    } else {
      crypto_generichash_blake2b_final(&state_.blake2b, digest.data(), hash_size(kind_));
    }
    return digest;
  }

 private:
  NoiseHash kind_;
  union State {
    SHA256_CTX sha256;
    crypto_generichash_blake2b_state blake2b;
  } state_;
};

constexpr std::size_t block_size_max = 128;

// The key, padded to a block and xored with the pad byte.
Secret<block_size_max> padded_key(Bytes key, std::uint8_t pad) {
  Secret<block_size_max> block;
  std::copy(key.begin(), key.end(), block.data());
  for (std::uint8_t& byte : block.writable()) byte ^= pad;
  return block;
}

}  // namespace

Digest hash(NoiseHash kind, std::initializer_list<Bytes> parts) {
  Hasher hasher(kind);
  for (Bytes part : parts) hasher.update(part);
  return hasher.finish();
}

Digest hmac(NoiseHash kind, Bytes key, std::initializer_list<Bytes> parts) {
  const std::size_t block_size = hash_block_size(kind);
  GODWIT_CHECK(key.size() <= block_size);
  Hasher inner(kind);
  inner.update(Bytes(padded_key(key, 0x36).bytes()).first(block_size));
  for (Bytes part : parts) inner.update(part);
  const Digest inner_digest = inner.finish();
  Hasher outer(kind);
  outer.update(Bytes(padded_key(key, 0x5c).bytes()).first(block_size));
  outer.update(Bytes(inner_digest.bytes()).first(hash_size(kind)));
  return outer.finish();
}

HkdfOutputs hkdf(NoiseHash kind, const Digest& chaining_key, Bytes input) {
  const std::size_t size = hash_size(kind);
  const std::uint8_t one = 1;
  const std::uint8_t two = 2;
  const Digest temporary = hmac(kind, Bytes(chaining_key.bytes()).first(size), {input});
  const Bytes temporary_key = Bytes(temporary.bytes()).first(size);
  HkdfOutputs outputs;
  outputs.first = hmac(kind, temporary_key, {Bytes(&one, 1)});
  outputs.second =
      hmac(kind, temporary_key, {Bytes(outputs.first.bytes()).first(size), Bytes(&two, 1)});
  return outputs;
}

}  // namespace godwit::crypto
