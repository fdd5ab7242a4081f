// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <algorithm>
#include <optional>

#include "crypto/constant_time.h"
#include "crypto/field_25519.h"
#include "crypto/sodium_ready.h"

namespace godwit::crypto::x25519 {
namespace {

// More than ladders or a comb and what ends them have on the stack.
constexpr std::size_t stack_used = 8192;

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

using Elements = std::array<Field25519, together_max>;

Elements ones() {
  return {Field25519::one(), Field25519::one(), Field25519::one(), Field25519::one()};
}

// The inverses of all, by one inversion: that of the product of the first n times the product of
// the first n - 1 is the n-th's. None is 0.
void invert_each(std::span<Field25519> values) {
  Elements product = ones();
  Field25519 all = Field25519::one();
  for (std::size_t i = 0; i < values.size(); ++i) {
    product[i] = all;
    all = all * values[i];
  }
  Field25519 inverse = all.inverse();
  for (std::size_t i = values.size(); i-- > 0;) {
    const Field25519 value = values[i];
    values[i] = inverse * product[i];
    inverse = inverse * value;
  }
}

// Two, three or four. A lane that is left computes what the first one does.
[[gnu::noinline]] void multiply_together(std::span<const Multiply> calls, Together ways) {
  std::array<std::optional<Prepared>, together_max> prepared;
  for (std::size_t i = 0; i < calls.size(); ++i) prepared[i].emplace(calls[i]);
  if (calls.size() == 2) {
    ways.pair(prepared[0]->call(), prepared[1]->call());
  } else {
    if (!prepared[3]) prepared[3].emplace(calls[0]);
    ways.four({prepared[0]->call(), prepared[1]->call(), prepared[2]->call(), prepared[3]->call()});
  }
  std::array<std::uint32_t, together_max> zeroed{};
  Elements inverses = ones();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    inverses[i] = without_zero(Field25519::from_limbs(prepared[i]->quotient->z), zeroed[i]);
  }
  invert_each(std::span(inverses).first(calls.size()));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    put(calls[i].out, Field25519::from_limbs(prepared[i]->quotient->x) * inverses[i], zeroed[i]);
  }
}

// j + 2^255, where the scalar is 8j.
Secret<32> comb_digits(const Secret<32>& scalar) {
  Secret<32> digits = clamped(scalar);
  std::uint8_t* const bytes = digits.data();
  for (std::size_t i = 0; i < digits.size; ++i) {
    const unsigned above = i + 1 < digits.size ? bytes[i + 1] : 4;
    bytes[i] = static_cast<std::uint8_t>(bytes[i] >> 3 | above << 5);
  }
  return digits;
}

// At most four.
[[gnu::noinline]] void multiply_base_together(std::span<const MultiplyBase> calls) {
  struct Edwards {
    Field25519::Limbs y;
    Field25519::Limbs z;
  };
  Wiped<std::array<Edwards, together_max>> points;
  Elements inverses = ones();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Edwards& point = (*points)[i];
    const Secret<32> digits = comb_digits(calls[i].scalar);
    calls[i].base({.y = point.y.data(),
                   .z = point.z.data(),
                   .digits = digits.data(),
                   .table = &comb_table()});
    inverses[i] = Field25519::from_limbs(point.z) - Field25519::from_limbs(point.y);
  }
  invert_each(std::span(inverses).first(calls.size()));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Edwards& point = (*points)[i];
    const Field25519 sum = Field25519::from_limbs(point.z) + Field25519::from_limbs(point.y);
    std::ranges::copy((sum * inverses[i]).bytes(), calls[i].out.begin());
  }
}

// How many of those left go together.
std::size_t group_of(std::size_t left, Together ways) {
  if (left > 2 && ways.four != nullptr) return std::min(left, together_max);
  return left > 1 && ways.pair != nullptr ? 2 : 1;
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

FourFunction fastest_four() {
  return fastest_ladder() == &ladder_avx2 ? &four_avx2 : nullptr;
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

void multiply_each(std::span<const Multiply> calls, std::span<bool> made, Together ways) {
  GODWIT_CHECK(calls.size() == made.size());
  for (std::size_t done = 0; done < calls.size();) {
    const auto group = calls.subspan(done, group_of(calls.size() - done, ways));
    if (group.size() == 1) {
      made[done++] = multiply(group.front());
      continue;
    }
    multiply_together(group, ways);
    sodium_stackzero(stack_used);
    for (const Multiply& call : group) made[done++] = not_zero(call.out);
  }
}

void multiply_base(const MultiplyBase& call) {
  multiply_base_each({&call, 1});
}

void multiply_base_each(std::span<const MultiplyBase> calls) {
  while (!calls.empty()) {
    const auto group =
        calls.first(calls.front().base == nullptr ? 1 : std::min(calls.size(), together_max));
    calls = calls.subspan(group.size());
    if (group.front().base != nullptr) {
      multiply_base_together(group);
      sodium_stackzero(stack_used);
      continue;
    }
    constexpr std::array<std::uint8_t, 32> nine{9};
    // The base point times a clamped number is never the neutral element, so this cannot fail.
    GODWIT_CHECK(
        multiply({.out = group.front().out, .scalar = group.front().scalar, .point = nine}));
  }
}

}  // namespace godwit::crypto::x25519
