// SPDX-License-Identifier: Apache-2.0
#include "crypto/signature.h"

#include "crypto/sodium_ready.h"

namespace godwit::crypto {

SigningPublicKey signing_public_key(const Secret<32>& seed) {
  sodium_ready();
  SigningPublicKey public_key;
  Secret<crypto_sign_SECRETKEYBYTES> expanded;
  crypto_sign_seed_keypair(public_key.data(), expanded.data(), seed.data());
  return public_key;
}

Signature sign(const Secret<32>& seed, Bytes message) {
  sodium_ready();
  SigningPublicKey public_key;
  Secret<crypto_sign_SECRETKEYBYTES> expanded;
  crypto_sign_seed_keypair(public_key.data(), expanded.data(), seed.data());
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), expanded.data());
  return signature;
}

bool verify_signature(const SigningPublicKey& key, Bytes message, const Signature& signature) {
  sodium_ready();
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.data()) == 0;
}

}  // namespace godwit::crypto
