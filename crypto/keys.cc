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
  KeyPair pair{Secret<32>(private_key), {}};
  x25519::multiply_base({.out = pair.public_key, .scalar = pair.private_key});
  publish(pair.public_key.data(), pair.public_key.size());
  return pair;
}

bool diffie_hellman(Secret<32>& out, const PrivateKey& local, const PublicKey& remote) {
  if (x25519::multiply({.out = out.writable(), .scalar = local, .point = remote})) return true;
  out.wipe();
  return false;
}

std::pair<bool, bool> diffie_hellman_two(const Agreement& first, const Agreement& second) {
  const auto call = [](const Agreement& one) {
    return x25519::Multiply{.out = one.out.writable(), .scalar = one.local, .point = one.remote};
  };
  const std::pair<bool, bool> done = x25519::multiply_two(call(first), call(second));
  if (!done.first) first.out.wipe();
  if (!done.second) second.out.wipe();
  return done;
}

}  // namespace godwit::crypto
