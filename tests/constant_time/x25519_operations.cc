// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <vector>

#include "crypto/x25519.h"
#include "tests/constant_time/operations.h"
#include "tests/crypto/plain_lanes.h"

// Valgrind does not know the instructions of the ladder of five limbs. All sources are templates,
// and go through memcheck here with plain lanes, in both fields; those of AVX2, which it knows, as
// they are too.

namespace godwit::constant_time {
namespace {

using namespace crypto;
using testing::FiveLimbs;
using testing::TenLimbs;
using Point = std::array<std::uint8_t, 32>;

template <x25519::LadderFunction run>
void ladder() {
  HiddenRandom random;
  Secret<32> scalar;
  Point point{9};
  Point out;
  for (int round = 0; round < 2; ++round) {
    random.fill(scalar.writable());
    GODWIT_CHECK(x25519::multiply({.out = out, .scalar = scalar, .point = point, .ladder = run}));
    point = out;  // a secret one
  }
}

template <x25519::PairFunction pair, x25519::FourFunction four, std::size_t count>
void together() {
  HiddenRandom random;
  std::array<Secret<32>, count> scalars;
  std::array<Point, count> points;
  points.fill(Point{9});
  for (int round = 0; round < 2; ++round) {
    std::array<Point, count> outs;
    std::vector<x25519::Multiply> calls;
    for (std::size_t i = 0; i < count; ++i) {
      random.fill(scalars[i].writable());
      calls.push_back({.out = outs[i], .scalar = scalars[i], .point = points[i]});
    }
    std::array<bool, count> made{};
    x25519::multiply_each(calls, made, {.pair = pair, .four = four});
    GODWIT_CHECK(std::ranges::all_of(made, [](bool each) { return each; }));
    points = outs;  // secret ones
  }
}
template <x25519::PairFunction run>
void pair() {
  together<run, nullptr, 2>();
}
template <x25519::FourFunction run>
void four() {
  together<nullptr, run, 4>();
}

template <x25519::BaseFunction run>
void base() {
  HiddenRandom random;
  Secret<32> scalar;
  random.fill(scalar.writable());
  Point out;
  x25519::multiply_base({.out = out, .scalar = scalar, .base = run});
}

// Nothing on a processor without AVX2, where this code does not run.
template <void (*run)()>
void with_avx2() {
  if (__builtin_cpu_supports("avx2")) run();
}

constexpr std::array operations = {
    Operation{"x25519_ladder_5", ladder<&testing::plain_ladder<FiveLimbs>>},
    Operation{"x25519_ladder_10", ladder<&testing::plain_ladder<TenLimbs>>},
    Operation{"x25519_ladder_avx2", with_avx2<ladder<&x25519::ladder_avx2>>},
    Operation{"x25519_pair_5", pair<&testing::plain_pair<FiveLimbs>>},
    Operation{"x25519_pair_10", pair<&testing::plain_pair<TenLimbs>>},
    Operation{"x25519_pair_avx2", with_avx2<pair<&x25519::pair_avx2>>},
    Operation{"x25519_four_5", four<&testing::plain_four<FiveLimbs>>},
    Operation{"x25519_four_10", four<&testing::plain_four<TenLimbs>>},
    Operation{"x25519_four_avx2", with_avx2<four<&x25519::four_avx2>>},
    Operation{"x25519_base_5", base<&testing::plain_base<FiveLimbs>>},
    Operation{"x25519_base_10", base<&testing::plain_base<TenLimbs>>},
    Operation{"x25519_base_avx2", with_avx2<base<&x25519::base_avx2>>},
};

}  // namespace

std::span<const Operation> x25519_operations() {
  return operations;
}

}  // namespace godwit::constant_time
