// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace godwit::crypto {

// The deployment's own key, so that nobody outside can choose names that all fall on one shard.
struct HashKey {
  Secret<16> key;
};

// SipHash-2-4 (Aumasson, Bernstein 2012). Its eight bytes are read as a little-endian number, as
// the paper does. The answer decides which store file an account is in and must never change.
// Thread safe.
std::uint64_t keyed_hash(const HashKey& key, Bytes bytes);

}  // namespace godwit::crypto
