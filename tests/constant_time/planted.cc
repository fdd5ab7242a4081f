// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "crypto/hash.h"
#include "crypto/kem/kem.h"
#include "crypto/kem/pke.h"
#include "crypto/kem/poly_coding.h"
#include "crypto/signal/aes_cbc.h"
#include "tests/constant_time/operations.h"

// Pieces of the key encapsulation and of sessions written as one would who knows nothing of timing.
// Some leaks were found in real implementations: the comparison that stops early, the branch on a
// message bit, the division in compression, padding that is looked at byte by byte.

namespace godwit::constant_time {
namespace {

using namespace crypto;

volatile std::int32_t sink;

Secret<32> hidden_bytes() {
  SeededRandom random(5);
  Secret<32> bytes;
  random.fill(bytes.writable());
  hide(bytes.bytes());
  return bytes;
}

// A branch with an effect that no mask can stand for.
void branch_on_a_message_bit() {
  const Secret<32> message = hidden_bytes();
  for (std::uint8_t byte : message.bytes()) {
    if ((byte & 1) != 0) sink = sink + kem_q / 2;
  }
}

// Noise from a table.
void index_by_noise() {
  static constexpr std::array<std::int8_t, 16> difference{0,  1, 1, 2, -1, 0,  0,  1,
                                                          -1, 0, 0, 1, -2, -1, -1, 0};
  const Secret<32> coins = hidden_bytes();
  for (std::uint8_t byte : coins.bytes()) sink = sink + difference[byte & 15];
}

// Decapsulation that compares as one compares strings.
void early_end_of_the_comparison() {
  SeededRandom random(6);
  const auto pair = MlKem768::generate(random);
  const auto made = MlKem768::encapsulate(pair.public_key, random);
  hide(MlKem768::private_vector(pair.private_key.bytes()));
  Secret<32> message;
  Pke<KemSet::ml_kem_768>::decrypt(
      message.writable(), MlKem768::private_vector(pair.private_key.bytes()), made->ciphertext);
  const auto again = MlKem768::encapsulate_with(pair.public_key, message);
  sink = std::ranges::equal(again->ciphertext, made->ciphertext) ? 1 : 2;
}

// Sampling of noise that rejects, so that its time depends on the seed.
void rejection_of_noise() {
  const Secret<32> seed = hidden_bytes();
  std::int32_t taken = 0;
  std::int32_t tried = 0;
  for (; taken < 8; ++tried) {
    if (seed.data()[static_cast<std::size_t>(tried) % seed.size] < 200) ++taken;
  }
  sink = tried;
}

// Memcheck says nothing of this one; the search for the instruction does.
void division_by_q() {
  volatile std::uint32_t q = kem_q;
  const Secret<32> secret = hidden_bytes();
  for (std::uint8_t byte : secret.bytes()) {
    const std::uint32_t quotient = (byte * 1024u + q / 2) / q;
    VALGRIND_MAKE_MEM_DEFINED(&quotient, sizeof quotient);
    sink = static_cast<std::int32_t>(quotient);
  }
}

// A MAC that is compared as one compares strings.
void early_end_of_the_mac_comparison() {
  const Digest mac = hmac(NoiseHash::sha256, hidden_bytes().bytes(), {as_bytes("message")});
  const std::array<std::uint8_t, 8> received{1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t i = 0; i < received.size() && mac.data()[i] == received[i]; ++i) sink = 1;
}

// What libcrypto does unless it is told not to.
void padding_looked_at_byte_by_byte() {
  const Secret<32> key = hidden_bytes();
  const Secret<16> iv;
  const auto ciphertext = signal::aes_cbc_encrypt({key, iv}, as_bytes("text"));
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  std::array<std::uint8_t, 32> out;
  int size = 0;
  EVP_DecryptInit_ex2(context, EVP_aes_256_cbc(), key.data(), iv.data(), nullptr);
  EVP_DecryptUpdate(context, out.data(), &size, ciphertext.data(),
                    static_cast<int>(ciphertext.size()));
  sink = EVP_DecryptFinal_ex(context, out.data() + size, &size) == 1 ? 1 : 2;
  EVP_CIPHER_CTX_free(context);
}

// A walk along a chain whose length is secret.
void chain_as_long_as_a_secret() {
  const Secret<32> secret = hidden_bytes();
  Secret<32> key = secret.copy();
  for (std::uint8_t i = 0; i < secret.data()[0] % 4; ++i) {
    key = Secret<32>(hmac(NoiseHash::sha256, key.bytes(), {}).bytes().first<32>());
  }
  sink = 1;
}

constexpr std::array operations = {
    Operation{"branch_on_a_message_bit", branch_on_a_message_bit},
    Operation{"index_by_noise", index_by_noise},
    Operation{"early_end_of_the_comparison", early_end_of_the_comparison},
    Operation{"rejection_of_noise", rejection_of_noise},
    Operation{"early_end_of_the_mac_comparison", early_end_of_the_mac_comparison},
    Operation{"padding_looked_at_byte_by_byte", padding_looked_at_byte_by_byte},
    Operation{"chain_as_long_as_a_secret", chain_as_long_as_a_secret},
    Operation{"division_by_q", division_by_q},
};

}  // namespace

std::span<const Operation> planted_operations() {
  return operations;
}

}  // namespace godwit::constant_time
