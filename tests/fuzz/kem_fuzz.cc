// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/crypto/kem/textbook.h"

// Decapsulation of any ciphertext with any key, and encapsulation to any key, against the standard
// written down again: accepted or not, the secret is the one that the standard says.
// Input: which scheme (a byte), which part is changed (a byte), then positions of two bytes with
// values to add, or a part that is repeated until it is long enough.

namespace {

using namespace godwit;
using namespace godwit::crypto;
using testing::Textbook;

void change(MutableBytes bytes, Bytes changes) {
  ByteReader in(changes);
  while (in.remaining() >= 3) {
    const std::size_t at = in.u16() % bytes.size();
    bytes[at] ^= in.u8();
  }
}

void replace(MutableBytes bytes, Bytes by) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = by.empty() ? 0 : by[i % by.size()];
}

template <typename K>
void decapsulate(const typename K::PrivateKey& key, const typename K::Ciphertext& ciphertext) {
  const auto secret = K::decapsulate(key, ciphertext);
  GODWIT_CHECK(K::decapsulate(key, ciphertext).equals(secret));
  const auto expected = Textbook::of<K>().decapsulate(key.bytes(), ciphertext);
  GODWIT_CHECK(std::ranges::equal(secret.bytes(), expected));
}

// The one who has the private key agrees when the public one is whole.
template <typename K>
void encapsulate(const typename K::KeyPair& pair, const typename K::PublicKey& key) {
  const auto made = K::encapsulate_with(key, Secret<32>());
  GODWIT_CHECK(made.has_value() == K::key_valid(key));
  if (!made) return;
  const auto secret = K::decapsulate(pair.private_key, made->ciphertext);
  GODWIT_CHECK(secret.equals(made->shared_secret) == (key == pair.public_key));
}

template <typename K>
void run(std::uint8_t part, Bytes input) {
  static const auto pair = K::from_seed(Secret<64>());
  static const auto genuine = K::encapsulate_with(pair.public_key, Secret<32>());
  auto ciphertext = genuine->ciphertext;
  auto private_key = pair.private_key.copy();
  auto public_key = pair.public_key;
  switch (part % 6) {
    case 0:
      change(ciphertext, input);
      break;
    case 1:
      replace(ciphertext, input);
      break;
    case 2:
      change(private_key.writable(), input);
      break;
    case 3:
      replace(private_key.writable(), input);
      break;
    case 4:
      change(public_key, input);
      return encapsulate<K>(pair, public_key);
    default:
      replace(public_key, input);
      return encapsulate<K>(pair, public_key);
  }
  decapsulate<K>(private_key, ciphertext);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Bytes input(data + 2, size - 2);
  if (data[0] % 3 == 0) run<MlKem768>(data[1], input);
  if (data[0] % 3 == 1) run<MlKem1024>(data[1], input);
  if (data[0] % 3 == 2) run<Kyber1024>(data[1], input);
  return 0;
}
