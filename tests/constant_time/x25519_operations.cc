// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "crypto/x25519.h"
#include "tests/constant_time/operations.h"
#include "tests/crypto/plain_lanes.h"

// Valgrind does not know the instructions of the fast ladder. Its source is a template, and goes
// through memcheck here with plain lanes.

namespace godwit::constant_time {
namespace {

using namespace crypto;

void ladder() {
  HiddenRandom random;
  Secret<32> scalar;
  std::array<std::uint8_t, 32> point{9};
  std::array<std::uint8_t, 32> out;
  for (int round = 0; round < 2; ++round) {
    random.fill(scalar.writable());
    GODWIT_CHECK(x25519::multiply(
        {.out = out, .scalar = scalar, .point = point, .ladder = &testing::plain_ladder}));
    point = out;  // a secret one
  }
}

constexpr std::array operations = {Operation{"x25519_ladder", ladder}};

}  // namespace

std::span<const Operation> x25519_operations() {
  return operations;
}

}  // namespace godwit::constant_time
