// SPDX-License-Identifier: Apache-2.0
#include "crypto/x25519.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/crypto/plain_lanes.h"
#include "tests/crypto/vectors.h"

// Our ladder, on this processor's vectors and on plain ones, against libsodium's; RFC 7748's own
// and Wycheproof's vectors go through whichever is this machine's, in keys_test and
// wycheproof_test.

namespace godwit::crypto {
namespace {

using x25519::LadderFunction;
using Point = std::array<std::uint8_t, 32>;

struct NamedLadder {
  const char* name;
  LadderFunction run;
};
// All that this processor can run: the plain one has the same source wherever it is.
std::vector<NamedLadder> ladders() {
  std::vector<NamedLadder> all{{"plain", &testing::plain_ladder}};
  if (x25519::fastest_ladder() != nullptr) all.push_back({"ifma", x25519::fastest_ladder()});
  return all;
}

class X25519Ladder : public ::testing::TestWithParam<NamedLadder> {
 protected:
  void expect_as_libsodium(const Secret<32>& scalar, const Point& point) {
    Point theirs{};
    Point ours{};
    const bool expected =
        x25519::multiply({.out = theirs, .scalar = scalar, .point = point, .ladder = nullptr});
    ASSERT_EQ(
        x25519::multiply({.out = ours, .scalar = scalar, .point = point, .ladder = GetParam().run}),
        expected);
    if (expected) {
      ASSERT_EQ(to_hex(ours), to_hex(theirs)) << to_hex(scalar.bytes()) << " " << to_hex(point);
    } else {
      ASSERT_EQ(ours, Point{});
    }
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

TEST_P(X25519Ladder, EdgesOfTheFieldAndOfScalars) {
  SeededRandom random(1);
  std::vector<Secret<32>> scalars;
  for (const std::uint8_t fill : {0x00, 0xff, 0x55, 0xaa}) {
    Secret<32>& scalar = scalars.emplace_back();
    std::ranges::fill(scalar.writable(), fill);
  }
  random.fill(scalars.emplace_back().writable());
  for (const Secret<32>& scalar : scalars) {
    for (const Point& point : edges()) expect_as_libsodium(scalar, point);
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

INSTANTIATE_TEST_SUITE_P(Lanes, X25519Ladder, ::testing::ValuesIn(ladders()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace godwit::crypto
