// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include "crypto/constant_time.h"
#include "crypto/sodium_ready.h"

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
  sodium_ready();
  KeyPair pair{Secret<32>(private_key), {}};
  // The base point times a clamped number is never the neutral element, so this cannot fail.
  GODWIT_CHECK(crypto_scalarmult_base(pair.public_key.data(), pair.private_key.data()) == 0);
  publish(pair.public_key.data(), pair.public_key.size());
  return pair;
}

bool diffie_hellman(Secret<32>& out, const PrivateKey& local, const PublicKey& remote) {
  sodium_ready();
  int result = crypto_scalarmult(out.data(), local.data(), remote.data());
  // Whether the order is small is seen on the public key alone.
  publish(&result, sizeof result);
  if (result == 0) return true;
  out.wipe();
  return false;
}

}  // namespace godwit::crypto
