// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/crypto/plain_lanes.h"
#include "tests/crypto/vectors.h"

// Our ladders and combs, on this processor's vectors and on plain ones, against libsodium's; RFC
// 7748's own and Wycheproof's vectors go through whichever is this machine's, in keys_test and
// wycheproof_test.

namespace godwit::crypto {
namespace {

using x25519::BaseFunction;
using x25519::FourFunction;
using x25519::LadderFunction;
using x25519::PairFunction;
using x25519::Together;
using Point = std::array<std::uint8_t, 32>;

template <typename Function>
struct Named {
  const char* name;
  Function run;
};
const bool has_avx2 = __builtin_cpu_supports("avx2");
const bool has_ifma = __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vl");

// All that this processor can run: the plain ones have the same source wherever they are.
template <typename Function>
std::vector<Named<Function>> those_that_run(std::vector<Named<Function>> plain, Function avx2) {
  if (has_avx2) plain.push_back({"avx2", avx2});
  return plain;
}
std::vector<Named<LadderFunction>> ladders() {
  auto all =
      those_that_run<LadderFunction>({{"five_limbs", &testing::plain_ladder<testing::FiveLimbs>},
                                      {"ten_limbs", &testing::plain_ladder<testing::TenLimbs>}},
                                     &x25519::ladder_avx2);
  if (has_ifma) all.push_back({"ifma", &x25519::ladder_ifma});
  return all;
}
// Several at once, by pairs, by fours, and with a lane left over.
struct Group {
  std::string name;
  Together ways;
  std::size_t count;
};
std::vector<Group> groups() {
  std::vector<Group> all{{"none", {.pair = nullptr, .four = nullptr}, 2}};
  const auto add = [&](const std::string& field, PairFunction pair, FourFunction four) {
    all.push_back({field + "_two", {.pair = pair, .four = four}, 2});
    all.push_back({field + "_three", {.pair = pair, .four = four}, 3});
    all.push_back({field + "_four", {.pair = pair, .four = four}, 4});
  };
  add("five_limbs", &testing::plain_pair<testing::FiveLimbs>,
      &testing::plain_four<testing::FiveLimbs>);
  add("ten_limbs", &testing::plain_pair<testing::TenLimbs>,
      &testing::plain_four<testing::TenLimbs>);
  if (has_avx2) {
    add("avx2", &x25519::pair_avx2, &x25519::four_avx2);
    all.push_back({"avx2_seven", {.pair = &x25519::pair_avx2, .four = &x25519::four_avx2}, 7});
    all.push_back({"avx2_pairs", {.pair = &x25519::pair_avx2, .four = nullptr}, 5});
  }
  return all;
}
std::vector<Named<BaseFunction>> bases() {
  return those_that_run<BaseFunction>({{"five_limbs", &testing::plain_base<testing::FiveLimbs>},
                                       {"ten_limbs", &testing::plain_base<testing::TenLimbs>},
                                       {"none", nullptr}},
                                      &x25519::base_avx2);
}

// What libsodium makes of the two; none for a point of small order.
std::optional<Point> by_libsodium(const Secret<32>& scalar, const Point& point) {
  Point out{};
  const bool made =
      x25519::multiply({.out = out, .scalar = scalar, .point = point, .ladder = nullptr});
  return made ? std::optional(out) : std::nullopt;
}
void expect_is(bool made, const Point& ours, const std::optional<Point>& theirs) {
  ASSERT_EQ(made, theirs.has_value());
  ASSERT_EQ(to_hex(ours), to_hex(theirs.value_or(Point{})));
}

class X25519Ladder : public ::testing::TestWithParam<Named<LadderFunction>> {
 protected:
  void expect_as_libsodium(const Secret<32>& scalar, const Point& point) {
    SCOPED_TRACE(to_hex(scalar.bytes()) + " " + to_hex(point));
    Point ours{};
    const bool made =
        x25519::multiply({.out = ours, .scalar = scalar, .point = point, .ladder = GetParam().run});
    expect_is(made, ours, by_libsodium(scalar, point));
  }
};

struct One {
  Secret<32> scalar;
  Point point{};
};

class X25519Together : public ::testing::TestWithParam<Group> {
 protected:
  static std::size_t count() { return GetParam().count; }
  static std::vector<One> any(RandomSource& random) {
    std::vector<One> all(count());
    for (One& one : all) {
      random.fill(one.scalar.writable());
      random.fill(one.point);
    }
    return all;
  }
  static void expect_as_libsodium(const std::vector<One>& all) {
    std::vector<Point> ours(all.size());
    std::vector<x25519::Multiply> calls;
    for (std::size_t i = 0; i < all.size(); ++i) {
      calls.push_back({.out = ours[i], .scalar = all[i].scalar, .point = all[i].point});
    }
    std::array<bool, 8> made{};
    x25519::multiply_each(calls, std::span(made).first(all.size()), GetParam().ways);
    for (std::size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(std::to_string(i) + ": " + to_hex(all[i].scalar.bytes()) + " " +
                   to_hex(all[i].point));
      expect_is(made[i], ours[i], by_libsodium(all[i].scalar, all[i].point));
    }
  }
};

class X25519Base : public ::testing::TestWithParam<Named<BaseFunction>> {
 protected:
  void expect_as_libsodium(const Secret<32>& scalar) {
    SCOPED_TRACE(to_hex(scalar.bytes()));
    Point ours{};
    x25519::multiply_base({.out = ours, .scalar = scalar, .base = GetParam().run});
    expect_is(true, ours, by_libsodium(scalar, Point{9}));
  }
};

// Around 0, the order of the field and 2^255, with and without the bit that is ignored.
std::vector<Point> edges() {
  std::vector<Point> points;
  for (const std::uint8_t top : {0x00, 0x80}) {
    for (std::uint8_t low = 0; low < 12; ++low) {
      Point point{};
      point[0] = low;
      point[31] = top;
      points.push_back(point);
    }
    for (unsigned low = 0xe0; low <= 0xff; ++low) {  // p is 2^255 - 19
      Point point;
      point.fill(0xff);
      point[0] = static_cast<std::uint8_t>(low);
      point[31] = static_cast<std::uint8_t>(0x7f | top);
      points.push_back(point);
    }
  }
  return points;
}

std::vector<Secret<32>> edge_scalars() {
  SeededRandom random(1);
  std::vector<Secret<32>> scalars;
  for (const std::uint8_t fill : {0x00, 0xff, 0x55, 0xaa}) {
    Secret<32>& scalar = scalars.emplace_back();
    std::ranges::fill(scalar.writable(), fill);
  }
  random.fill(scalars.emplace_back().writable());
  return scalars;
}

// The points of order 1, 2, 4 and 8, and of orders 2 and 4 on the twist, and p and p + 1 for 0 and
// 1: every u below 2^255 that gives zeros.
std::vector<Point> points_of_small_order() {
  std::vector<Point> points;
  for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    points.push_back(testing::unhex_array<32>(hex));
  }
  return points;
}

TEST_P(X25519Ladder, EdgesOfTheFieldAndOfScalars) {
  for (const Secret<32>& scalar : edge_scalars()) {
    for (const Point& point : edges()) expect_as_libsodium(scalar, point);
    for (const Point& point : points_of_small_order()) {
      ASSERT_FALSE(by_libsodium(scalar, point));
      expect_as_libsodium(scalar, point);
    }
  }
}

TEST_P(X25519Ladder, PointsOfLimbsThatAreFullOrEmpty) {
  SeededRandom random(2);
  Secret<32> scalar;
  for (unsigned set = 0; set < 32; ++set) {
    Point point{};
    for (unsigned bit = 0; bit < 255; ++bit) {
      if (set >> (bit / 51) & 1) point[bit / 8] |= static_cast<std::uint8_t>(1u << bit % 8);
    }
    random.fill(scalar.writable());
    expect_as_libsodium(scalar, point);
  }
}

TEST_P(X25519Ladder, RandomPointsAndScalars) {
  SeededRandom random(3);
  Secret<32> scalar;
  Point point;
  for (int round = 0; round < 500; ++round) {
    random.fill(scalar.writable());
    random.fill(point);
    expect_as_libsodium(scalar, point);
  }
}

TEST_P(X25519Ladder, EveryBitOfTheScalarCounts) {
  SeededRandom random(4);
  Secret<32> scalar;
  Point point;
  random.fill(point);
  for (unsigned bit = 0; bit < 256; ++bit) {
    random.fill(scalar.writable());
    expect_as_libsodium(scalar, point);
    scalar.data()[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    expect_as_libsodium(scalar, point);
  }
}

// Any of them, or all, may be zeros, and the others are not touched by it.
TEST_P(X25519Together, EdgesOfTheFieldBesidePointsLikeAnyOther) {
  SeededRandom random(5);
  std::vector<Point> points = edges();
  std::ranges::copy(points_of_small_order(), std::back_inserter(points));
  std::size_t place = 0;
  for (const Secret<32>& scalar : edge_scalars()) {
    for (const Point& point : points) {
      std::vector<One> all = any(random);
      all[place] = {scalar.copy(), point};
      expect_as_libsodium(all);
      place = (place + 1) % count();
    }
  }
  for (const Point& point : points_of_small_order()) {
    for (unsigned which = 1; which < 1u << count(); ++which) {
      std::vector<One> all = any(random);
      for (std::size_t i = 0; i < count(); ++i) {
        if (which >> i & 1) all[i].point = point;
      }
      expect_as_libsodium(all);
    }
  }
}

TEST_P(X25519Together, RandomPointsAndScalars) {
  SeededRandom random(6);
  for (int round = 0; round < 200; ++round) {
    std::vector<One> all = any(random);
    expect_as_libsodium(all);
    for (One& one : all) one.point = all.front().point;
    expect_as_libsodium(all);
  }
}

TEST_P(X25519Together, EveryBitOfEachScalarCounts) {
  SeededRandom random(7);
  std::vector<One> all = any(random);
  for (unsigned bit = 0; bit < 256; ++bit) {
    for (One& one : all) {
      one.scalar.data()[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    expect_as_libsodium(all);
    all[bit % count()].scalar.data()[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    expect_as_libsodium(all);
  }
}

// Of as many as there are, none included.
TEST(X25519, BasePointsTogetherAreThoseAlone) {
  SeededRandom random(9);
  for (std::size_t count = 0; count < 10; ++count) {
    std::vector<Secret<32>> scalars(count);
    std::vector<Point> together(count);
    std::vector<x25519::MultiplyBase> calls;
    for (std::size_t i = 0; i < count; ++i) {
      random.fill(scalars[i].writable());
      calls.push_back({.out = together[i], .scalar = scalars[i]});
    }
    x25519::multiply_base_each(calls);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(to_hex(together[i]), to_hex(*by_libsodium(scalars[i], Point{9})));
    }
  }
}

TEST_P(X25519Base, EdgesOfScalars) {
  for (const Secret<32>& scalar : edge_scalars()) expect_as_libsodium(scalar);
}

TEST_P(X25519Base, EveryDigitOfEveryBlockAndPlace) {
  // All teeth of a block at a place, of either sign, beside none and beside all of the others.
  for (const std::uint8_t rest : {0x00, 0xff}) {
    for (unsigned column = 0; column < 64; ++column) {
      for (unsigned teeth = 0; teeth < 16; ++teeth) {
        Secret<32> scalar;
        std::ranges::fill(scalar.writable(), rest);
        for (unsigned tooth = 0; tooth < 4; ++tooth) {
          const unsigned bit = 64 * tooth + column + 3;  // of 8j, where the digit is of j
          if (bit >= 256) continue;
          const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
          std::uint8_t& byte = scalar.data()[bit / 8];
          byte = static_cast<std::uint8_t>((byte & ~mask) | ((teeth >> tooth & 1) != 0 ? mask : 0));
        }
        expect_as_libsodium(scalar);
      }
    }
  }
}

TEST_P(X25519Base, RandomScalars) {
  SeededRandom random(8);
  Secret<32> scalar;
  for (int round = 0; round < 500; ++round) {
    random.fill(scalar.writable());
    expect_as_libsodium(scalar);
  }
}

constexpr auto name_of = [](const auto& each) { return each.param.name; };
INSTANTIATE_TEST_SUITE_P(Lanes, X25519Ladder, ::testing::ValuesIn(ladders()), name_of);
INSTANTIATE_TEST_SUITE_P(Lanes, X25519Together, ::testing::ValuesIn(groups()), name_of);
INSTANTIATE_TEST_SUITE_P(Lanes, X25519Base, ::testing::ValuesIn(bases()), name_of);

// The choice that is made at run time.
TEST(X25519, TheFastestThatTheProcessorHas) {
  const LadderFunction ladder =
      has_ifma ? &x25519::ladder_ifma : (has_avx2 ? &x25519::ladder_avx2 : nullptr);
  EXPECT_EQ(x25519::fastest_ladder(), ladder);
  EXPECT_EQ(x25519::fastest_pair(), has_avx2 && !has_ifma ? &x25519::pair_avx2 : nullptr);
  EXPECT_EQ(x25519::fastest_four(), has_avx2 && !has_ifma ? &x25519::four_avx2 : nullptr);
  EXPECT_EQ(x25519::fastest_base(), has_avx2 ? &x25519::base_avx2 : nullptr);
}

}  // namespace
}  // namespace godwit::crypto
