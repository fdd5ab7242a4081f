// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include "crypto/constant_time.h"
#include "crypto/x25519.h"

namespace godwit::crypto {

KeyPair KeyPair::copy() const {
  return {private_key.copy(), public_key};
}

KeyPair KeyPair::generate(RandomSource& random) {
  Secret<32> private_key;
  random.fill(private_key.writable());
  return from_private(private_key.bytes());
}

KeyPair KeyPair::from_private(std::span<const std::uint8_t, 32> private_key) {
  constexpr PublicKey base{9};
  KeyPair pair{Secret<32>(private_key), {}};
  // The base point times a clamped number is never the neutral element, so this cannot fail.
  GODWIT_CHECK(
      x25519::multiply({.out = pair.public_key, .scalar = pair.private_key, .point = base}));
  publish(pair.public_key.data(), pair.public_key.size());
  return pair;
}

bool diffie_hellman(Secret<32>& out, const PrivateKey& local, const PublicKey& remote) {
  if (x25519::multiply({.out = out.writable(), .scalar = local, .point = remote})) return true;
  out.wipe();
  return false;
}

}  // namespace godwit::crypto
