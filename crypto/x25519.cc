// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <algorithm>

#include "crypto/constant_time.h"
#include "crypto/field_25519.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto::x25519 {
namespace {

void multiply_with(const Multiply& call) {
  // decodeScalar25519; the top bit of the point is ignored, which from_bytes does.
  Secret<32> scalar = call.scalar.copy();
  scalar.data()[0] &= 248;
  scalar.data()[31] &= 127;
  scalar.data()[31] |= 64;
  const Field25519 u = Field25519::from_bytes(call.point);
  struct Quotient {
    Field25519::Limbs x;
    Field25519::Limbs z;
  };
  Wiped<Quotient> quotient;
  call.ladder({.x = quotient->x.data(),
               .z = quotient->z.data(),
               .scalar = scalar.data(),
               .u = u.limbs().data()});
  const Field25519 inverse = Field25519::from_limbs(quotient->z).inverse();
  std::ranges::copy((Field25519::from_limbs(quotient->x) * inverse).bytes(), call.out.begin());
}

}  // namespace

LadderFunction fastest_ladder() {
  const bool ifma = __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vl");
  return ifma ? &ladder_ifma : nullptr;
}

bool multiply(const Multiply& call) {
  if (call.ladder == nullptr) {
    sodium_ready();
    int result = crypto_scalarmult(call.out.data(), call.scalar.data(), call.point.data());
    // Whether the order is small is seen on the point alone.
    publish(&result, sizeof result);
    return result == 0;
  }
  multiply_with(call);
  constexpr std::array<std::uint8_t, 32> zero{};
  std::uint32_t nonzero = differ(call.out.data(), zero.data(), zero.size());
  publish(&nonzero, sizeof nonzero);
  return nonzero != 0;
}

}  // namespace godwit::crypto::x25519
