// SPDX-License-Identifier: Apache-2.0
#include "crypto/keys.h"

#include <algorithm>

#include "crypto/constant_time.h"
#include "crypto/x25519.h"

namespace godwit::crypto {
namespace {

// A call for each of the first `count`; the places after them repeat the last one.
template <typename Make>
auto group_of(std::size_t count, Make make) {
  const auto call = [&](std::size_t i) { return make(std::min(i, count - 1)); };
  static_assert(x25519::together_max == 4);
  return std::array{call(0), call(1), call(2), call(3)};
}

// REQUIRES: at least one, and at most as many as go together.
void set_public_keys(std::span<KeyPair* const> pairs) {
  const auto group = group_of(pairs.size(), [&](std::size_t i) {
    return x25519::MultiplyBase{.out = pairs[i]->public_key, .scalar = pairs[i]->private_key};
  });
  x25519::multiply_base_each(std::span(group).first(pairs.size()));
  for (KeyPair* const pair : pairs) publish(pair->public_key.data(), pair->public_key.size());
}

}  // namespace

KeyPair KeyPair::copy() const {
  return {private_key.copy(), public_key};
}

KeyPair KeyPair::generate(RandomSource& random) {
  KeyPair pair;
  KeyPair* const one = &pair;
  generate_each({&one, 1}, random);
  return pair;
}

void KeyPair::generate_each(std::span<KeyPair* const> pairs, RandomSource& random) {
  for (KeyPair* const pair : pairs) random.fill(pair->private_key.writable());
  while (!pairs.empty()) {
    const auto group = pairs.first(std::min(pairs.size(), x25519::together_max));
    set_public_keys(group);
    pairs = pairs.subspan(group.size());
  }
}

KeyPair KeyPair::from_private(std::span<const std::uint8_t, 32> private_key) {
  KeyPair pair{Secret<32>(private_key), {}};
  KeyPair* const one = &pair;
  set_public_keys({&one, 1});
  return pair;
}

bool diffie_hellman(Secret<32>& out, const PrivateKey& local, const PublicKey& remote) {
  if (x25519::multiply({.out = out.writable(), .scalar = local, .point = remote})) return true;
  out.wipe();
  return false;
}

void diffie_hellman_each(std::span<DiffieHellman> calls) {
  while (!calls.empty()) {
    const auto those = calls.first(std::min(calls.size(), x25519::together_max));
    const auto group = group_of(those.size(), [&](std::size_t i) {
      return x25519::Multiply{
          .out = those[i].out.writable(), .scalar = those[i].local, .point = those[i].remote};
    });
    std::array<bool, x25519::together_max> made{};
    x25519::multiply_each(std::span(group).first(those.size()),
                          std::span(made).first(those.size()));
    for (std::size_t i = 0; i < those.size(); ++i) {
      those[i].made = made[i];
      if (!made[i]) those[i].out.wipe();
    }
    calls = calls.subspan(those.size());
  }
}

}  // namespace godwit::crypto
