// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <algorithm>

#include "crypto/constant_time.h"
#include "crypto/field_25519.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto::x25519 {
namespace {

// More than a ladder or a comb and what ends it have on the stack.
constexpr std::size_t stack_used = 4096;

// decodeScalar25519.
Secret<32> clamped(const Secret<32>& scalar) {
  Secret<32> result = scalar.copy();
  result.data()[0] &= 248;
  result.data()[31] &= 127;
  result.data()[31] |= 64;
  return result;
}

struct Quotient {
  Field25519::Limbs x;
  Field25519::Limbs z;
};

// The top bit of the point is ignored, which from_bytes does.
struct Prepared {
  explicit Prepared(const Multiply& call)
      : scalar(clamped(call.scalar)), u(Field25519::from_bytes(call.point)) {}
  LadderCall call() {
    return {.x = quotient->x.data(),
            .z = quotient->z.data(),
            .scalar = scalar.data(),
            .u = u.limbs().data()};
  }

  Secret<32> scalar;
  Field25519 u;
  Wiped<Quotient> quotient;
};

constexpr std::array<std::uint8_t, 32> zero{};

bool not_zero(std::span<const std::uint8_t, 32> result) {
  std::uint32_t nonzero = differ(result.data(), zero.data(), zero.size());
  publish(&nonzero, sizeof nonzero);
  return nonzero != 0;
}

bool multiply_sodium(const Multiply& call) {
  sodium_ready();
  int result = crypto_scalarmult(call.out.data(), call.scalar.data(), call.point.data());
  // Whether the order is small is seen on the point alone.
  publish(&result, sizeof result);
  return result == 0;
}

// 1 in the place of 0, so that a product of several is 0 for none of them: `was_zero` is then all
// ones, otherwise zero.
Field25519 without_zero(const Field25519& z, std::uint32_t& was_zero) {
  const std::array<std::uint8_t, 32> bytes = z.bytes();
  const std::uint32_t is_zero = 1 - differ(bytes.data(), zero.data(), zero.size());
  was_zero = mask_of_bit(is_zero);
  return z + Field25519::from_limbs({is_zero, 0, 0, 0, 0});
}

void put(std::span<std::uint8_t, 32> out, const Field25519& value, std::uint32_t zeroed) {
  const std::array<std::uint8_t, 32> bytes = value.bytes();
  std::ranges::transform(bytes, out.begin(), [&](std::uint8_t byte) {
    return static_cast<std::uint8_t>(byte & ~zeroed);
  });
}

// These leave what they computed with on the stack, and their callers wipe it: so none of them may
// become part of its caller.
[[gnu::noinline]] void multiply_with(const Multiply& call) {
  Prepared prepared(call);
  call.ladder(prepared.call());
  const Field25519 x = Field25519::from_limbs(prepared.quotient->x);
  const Field25519 z = Field25519::from_limbs(prepared.quotient->z);
  std::ranges::copy((x * z.inverse()).bytes(), call.out.begin());
}

// One inversion serves both: 1 / z is the inverse of the product times the other z.
[[gnu::noinline]] void multiply_two_with(const Multiply& first, const Multiply& second,
                                         PairFunction pair) {
  Prepared one(first);
  Prepared two(second);
  pair(one.call(), two.call());
  std::array<std::uint32_t, 2> zeroed{};
  const Field25519 z_one = without_zero(Field25519::from_limbs(one.quotient->z), zeroed[0]);
  const Field25519 z_two = without_zero(Field25519::from_limbs(two.quotient->z), zeroed[1]);
  const Field25519 inverse = (z_one * z_two).inverse();
  put(first.out, Field25519::from_limbs(one.quotient->x) * inverse * z_two, zeroed[0]);
  put(second.out, Field25519::from_limbs(two.quotient->x) * inverse * z_one, zeroed[1]);
}

[[gnu::noinline]] void multiply_base_with(const MultiplyBase& call) {
  // j + 2^255, where the scalar is 8j.
  Secret<32> digits = clamped(call.scalar);
  std::uint8_t* const bytes = digits.data();
  for (std::size_t i = 0; i < digits.size; ++i) {
    const unsigned above = i + 1 < digits.size ? bytes[i + 1] : 4;
    bytes[i] = static_cast<std::uint8_t>(bytes[i] >> 3 | above << 5);
  }
  struct Edwards {
    Field25519::Limbs y;
    Field25519::Limbs z;
  };
  Wiped<Edwards> point;
  call.base({.y = point->y.data(), .z = point->z.data(), .digits = bytes, .table = &comb_table()});
  const Field25519 y = Field25519::from_limbs(point->y);
  const Field25519 z = Field25519::from_limbs(point->z);
  std::ranges::copy(((z + y) * (z - y).inverse()).bytes(), call.out.begin());
}

}  // namespace

LadderFunction fastest_ladder() {
  if (__builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vl")) {
    return &ladder_ifma;
  }
  return __builtin_cpu_supports("avx2") ? &ladder_avx2 : nullptr;
}

PairFunction fastest_pair() {
  return fastest_ladder() == &ladder_avx2 ? &pair_avx2 : nullptr;
}

BaseFunction fastest_base() {
  return __builtin_cpu_supports("avx2") ? &base_avx2 : nullptr;
}

bool multiply(const Multiply& call) {
  if (call.ladder == nullptr) return multiply_sodium(call);
  multiply_with(call);
  sodium_stackzero(stack_used);
  return not_zero(call.out);
}

std::pair<bool, bool> multiply_two(const Multiply& first, const Multiply& second,
                                   PairFunction pair) {
  if (pair == nullptr) return {multiply(first), multiply(second)};
  multiply_two_with(first, second, pair);
  sodium_stackzero(stack_used);
  return {not_zero(first.out), not_zero(second.out)};
}

void multiply_base(const MultiplyBase& call) {
  if (call.base != nullptr) {
    multiply_base_with(call);
    sodium_stackzero(stack_used);
    return;
  }
  constexpr std::array<std::uint8_t, 32> nine{9};
  // The base point times a clamped number is never the neutral element, so this cannot fail.
  GODWIT_CHECK(multiply({.out = call.out, .scalar = call.scalar, .point = nine}));
}

}  // namespace godwit::crypto::x25519
