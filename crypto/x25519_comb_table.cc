// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <vector>

#include "crypto/field_25519.h"
#include "crypto/x25519_base_comb.h"

namespace godwit::crypto::x25519 {
namespace {

using Field = Field25519;
using Encoded = std::array<std::uint8_t, 32>;

Field number(std::uint32_t value) {
  return Field::from_limbs({value, 0, 0, 0, 0});
}

// Extended coordinates, and additions as in x25519_base_comb.h, one number after another.
struct Point {
  Field x;
  Field y;
  Field z;
  Field t;
};

// 2d, where d = -121665 / 121666 (RFC 7748, section 4.1).
Field twice_d() {
  return (number(0) - number(2 * 121'665)) * number(121'666).inverse();
}

Point add(const Point& left, const Point& right) {
  static const Field factor = twice_d();
  const Field a = (left.y - left.x) * (right.y - right.x);
  const Field b = (left.y + left.x) * (right.y + right.x);
  const Field c = factor * left.t * right.t;
  const Field d = left.z * right.z + left.z * right.z;
  const Field e = b - a;
  const Field f = d - c;
  const Field g = d + c;
  const Field h = b + a;
  return {e * f, g * h, f * g, e * h};
}

Point negative(const Point& point) {
  return {number(0) - point.x, point.y, point.z, number(0) - point.t};
}

// y is 4/5, and x the root that is even (RFC 8032, section 5.1).
Point base_point() {
  constexpr Encoded x_bytes{0x1a, 0xd5, 0x25, 0x8f, 0x60, 0x2d, 0x56, 0xc9, 0xb2, 0xa7, 0x25,
                            0x95, 0x60, 0xc7, 0x2c, 0x69, 0x5c, 0xdc, 0xd6, 0xfd, 0x31, 0xe2,
                            0xa4, 0xc0, 0xfe, 0x53, 0x6e, 0xcd, 0xd3, 0x36, 0x69, 0x21};
  const Field x = Field::from_bytes(x_bytes);
  const Field y = number(4) * number(5).inverse();
  return {x, y, Field::one(), x * y};
}

CombPoint as_added(const Point& point) {
  const Field inverse = point.z.inverse();
  const Field x = point.x * inverse;
  const Field y = point.y * inverse;
  const std::array lanes = {y - x, y + x, number(2), twice_d() * x * y};
  CombPoint to;
  for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
    const Field least = Field::from_bytes(lanes[lane].bytes());
    for (std::size_t i = 0; i < limb_count; ++i) to.limb[i][lane] = least.limbs()[i];
  }
  return to;
}

CombTable make_table() {
  Point power = add(base_point(), base_point());
  power = add(power, power);
  CombTable table;
  table.minus_g = as_added(negative(power));
  std::vector<Point> teeth;  // of each tooth, all its blocks
  for (std::size_t i = 0; i < comb_teeth * comb_blocks; ++i) {
    teeth.push_back(power);
    for (std::size_t place = 0; place < comb_places; ++place) power = add(power, power);
  }
  for (std::size_t block = 0; block < comb_blocks; ++block) {
    for (std::size_t s = 0; s < comb_sums; ++s) {
      Point sum = teeth[(comb_teeth - 1) * comb_blocks + block];
      for (std::size_t tooth = 0; tooth + 1 < comb_teeth; ++tooth) {
        const Point& one = teeth[tooth * comb_blocks + block];
        sum = add(sum, (s >> tooth & 1) != 0 ? one : negative(one));
      }
      table.sums[block][s] = as_added(sum);
    }
  }
  return table;
}

}  // namespace

const CombTable& comb_table() {
  static const CombTable table = make_table();
  return table;
}

}  // namespace godwit::crypto::x25519
