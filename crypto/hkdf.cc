// SPDX-License-Identifier: Apache-2.0
#include "crypto/hkdf.h"

#include "base/result.h"
#include "crypto/hash.h"

namespace godwit::crypto {
namespace {

constexpr std::size_t size = hash_size(NoiseHash::sha256);

Bytes whole(const Digest& digest) {
  return Bytes(digest.bytes()).first(size);
}

// HMAC takes a key longer than a block as its hash (RFC 2104, section 2).
Digest extract(const HkdfInput& input) {
  if (input.salt.size() <= hash_block_size(NoiseHash::sha256)) {
    return hmac(NoiseHash::sha256, input.salt, {input.key_material});
  }
  const Digest salt = hash(NoiseHash::sha256, {input.salt});
  return hmac(NoiseHash::sha256, whole(salt), {input.key_material});
}

}  // namespace

void hkdf_sha256(MutableBytes out, const HkdfInput& input) {
  GODWIT_CHECK(out.size() <= hkdf_size_max);
  const Digest key = extract(input);
  Digest block;
  Bytes previous;
  for (std::uint8_t number = 1; !out.empty(); ++number) {
    block = hmac(NoiseHash::sha256, whole(key), {previous, input.info, Bytes(&number, 1)});
    previous = whole(block);
    const std::size_t taken = std::min(out.size(), size);
    std::memcpy(out.data(), block.data(), taken);
    out = out.subspan(taken);
  }
}

}  // namespace godwit::crypto
