// SPDX-License-Identifier: Apache-2.0
#include "crypto/keyed_hash.h"

namespace godwit::crypto {

std::uint64_t keyed_hash(const HashKey& key, Bytes bytes) {
  static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);
  std::array<std::uint8_t, crypto_shorthash_BYTES> digest;
  crypto_shorthash(digest.data(), bytes.data(), bytes.size(), key.key.data());
  std::uint64_t value = 0;
  for (std::size_t i = digest.size(); i-- > 0;) value = value << 8 | digest[i];
  return value;
}

}  // namespace godwit::crypto
