// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "crypto/aes_gcm.h"
#include "tests/constant_time/operations.h"

// Valgrind knows the instructions on 128 bits. Those on 256 bits go through the same source, a
// template.

namespace godwit::constant_time {
namespace {

using namespace crypto;

// Key, nonce, text and associated data are hidden; what may be seen is whether the tag is right.
// Sizes of every kind: none, parts of a block, short, a group and more.
void seal_and_open() {
  HiddenRandom random;
  std::array<std::uint8_t, 32> key;
  std::array<std::uint8_t, 12> nonce;
  std::array<std::uint8_t, 200> associated;
  std::array<std::uint8_t, 400> text;
  std::array<std::uint8_t, text.size() + 16> sealed;
  random.fill(key);
  random.fill(nonce);
  random.fill(associated);
  random.fill(text);
  const aes_gcm::Functions& functions = aes_gcm::on_128_bits;
  aes_gcm::ExpandedKey expanded;
  functions.expand(key.data(), expanded);
  for (const std::size_t size : {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 40, 100, 128, 130, 400}) {
    const std::size_t bound = size / 2;
    functions.seal(
        {expanded, nonce.data(), associated.data(), bound, text.data(), size, sealed.data()});
    GODWIT_CHECK(aes_gcm::open(functions, {expanded, nonce.data(), associated.data(), bound,
                                           sealed.data(), size, text.data()}));
    sealed[size] ^= 1;
    GODWIT_CHECK(!aes_gcm::open(functions, {expanded, nonce.data(), associated.data(), bound,
                                            sealed.data(), size, sealed.data()}));
  }
}

constexpr std::array operations = {Operation{"aes_gcm", seal_and_open}};

}  // namespace

std::span<const Operation> aes_gcm_operations() {
  return operations;
}

}  // namespace godwit::constant_time
