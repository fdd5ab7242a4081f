// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "crypto/kem/incremental.h"
#include "crypto/kem/kem.h"
#include "tests/constant_time/operations.h"

namespace godwit::constant_time {
namespace {

using namespace crypto;

// Secret in a private key: s and z. Its public key and the hash of it are not.
template <typename K>
void hide_private(const typename K::PrivateKey& key) {
  hide(K::private_vector(key.bytes()));
  hide(K::rejection_seed(key.bytes()));
}

template <typename K>
void generate() {
  SeededRandom random(1);
  Secret<64> seed;
  random.fill(seed.writable());
  hide(seed.bytes());
  const auto pair = K::from_seed(seed);
  GODWIT_CHECK(K::key_valid(pair.public_key));
}

template <typename K>
void encapsulate() {
  SeededRandom random(2);
  const auto pair = K::generate(random);
  Secret<32> bytes;
  random.fill(bytes.writable());
  hide(bytes.bytes());
  GODWIT_CHECK(K::encapsulate_with(pair.public_key, bytes));
}

template <typename K>
void decapsulate(bool accepted) {
  SeededRandom random(3);
  const auto pair = K::generate(random);
  auto made = K::encapsulate(pair.public_key, random);
  GODWIT_CHECK(made);
  made->ciphertext[0] ^= accepted ? 0 : 1;
  hide_private<K>(pair.private_key);
  const auto secret = K::decapsulate(pair.private_key, made->ciphertext);
  // That it was hidden at all: only now may the answer be looked at.
  reveal(secret.bytes());
  GODWIT_CHECK(secret.equals(made->shared_secret) == accepted);
}

template <typename K>
void decapsulate_accepted() {
  decapsulate<K>(true);
}

template <typename K>
void decapsulate_rejected() {
  decapsulate<K>(false);
}

template <typename K>
void encapsulate_in_parts() {
  SeededRandom random(4);
  const auto pair = K::Whole::generate(random);
  const auto header = K::header(pair.public_key);
  Secret<32> bytes;
  random.fill(bytes.writable());
  hide(bytes.bytes());
  const auto begun = K::begin_encapsulation_with(header, bytes);
  GODWIT_CHECK(K::finish_encapsulation(begun.state, header, K::vector(pair.public_key)));
}

constexpr std::array operations = {
    Operation{"ml_kem_768_generate", generate<MlKem768>},
    Operation{"ml_kem_768_encapsulate", encapsulate<MlKem768>},
    Operation{"ml_kem_768_decapsulate", decapsulate_accepted<MlKem768>},
    Operation{"ml_kem_768_reject", decapsulate_rejected<MlKem768>},
    Operation{"ml_kem_768_parts", encapsulate_in_parts<IncrementalMlKem768>},
    Operation{"ml_kem_1024_generate", generate<MlKem1024>},
    Operation{"ml_kem_1024_encapsulate", encapsulate<MlKem1024>},
    Operation{"ml_kem_1024_decapsulate", decapsulate_accepted<MlKem1024>},
    Operation{"ml_kem_1024_reject", decapsulate_rejected<MlKem1024>},
    Operation{"ml_kem_1024_parts", encapsulate_in_parts<IncrementalMlKem1024>},
    Operation{"kyber_1024_generate", generate<Kyber1024>},
    Operation{"kyber_1024_encapsulate", encapsulate<Kyber1024>},
    Operation{"kyber_1024_decapsulate", decapsulate_accepted<Kyber1024>},
    Operation{"kyber_1024_reject", decapsulate_rejected<Kyber1024>},
};

}  // namespace

std::span<const Operation> kem_operations() {
  return operations;
}

}  // namespace godwit::constant_time
