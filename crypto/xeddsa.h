// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/keys.h"
#include "crypto/signature.h"

// XEdDSA on curve 25519 (Signal, "The XEdDSA and VXEdDSA Signature Schemes", revision 1):
// signatures by X25519 key pairs. Thread safe; signing is constant time in the key.

namespace godwit::crypto {

// As the specification says: the Edwards key is the one whose sign is 0. Peers that carry the sign
// of their own key in the signature take it.
Signature xeddsa_sign(const PrivateKey& key, Bytes message, RandomSource& random);
// The same with the specification's Z given.
Signature xeddsa_sign_with(const PrivateKey& key, Bytes message, const Secret<64>& random);

// The top bit of the signature is the sign of the Edwards key, for peers that sign without
// normalising it. Refuses what is not canonical: u not below p, s not below the group's order, and
// a key or R of small order.
[[nodiscard]] bool xeddsa_verify(const PublicKey& key, Bytes message, const Signature& signature);

}  // namespace godwit::crypto
