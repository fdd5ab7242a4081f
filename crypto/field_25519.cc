// SPDX-License-Identifier: Apache-2.0
#include "crypto/field_25519.h"

#include <cstring>

namespace godwit::crypto {
namespace {

constexpr unsigned limb_bits = 51;
constexpr std::uint64_t limb_mask = (std::uint64_t{1} << limb_bits) - 1;

}  // namespace

// What is above 2^255 comes back 19 times at the bottom.
void Field25519::carry() {
  for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
    limbs_[i + 1] += limbs_[i] >> limb_bits;
    limbs_[i] &= limb_mask;
  }
  limbs_[0] += 19 * (limbs_[4] >> limb_bits);
  limbs_[4] &= limb_mask;
}

Field25519 Field25519::from_bytes(std::span<const std::uint8_t, 32> bytes) {
  std::array<std::uint64_t, 4> words;
  std::memcpy(words.data(), bytes.data(), sizeof words);
  return Field25519({words[0] & limb_mask, (words[0] >> 51 | words[1] << 13) & limb_mask,
                     (words[1] >> 38 | words[2] << 26) & limb_mask,
                     (words[2] >> 25 | words[3] << 39) & limb_mask, words[3] >> 12 & limb_mask});
}

std::array<std::uint8_t, 32> Field25519::bytes() const {
  Field25519 least = *this;
  least.carry();
  least.carry();
  // Now below 2^255; it is p or more exactly when adding 19 reaches 2^255.
  std::uint64_t reached = 19;
  for (std::uint64_t limb : least.limbs_) reached = (limb + reached) >> limb_bits;
  least.limbs_[0] += 19 * reached;
  for (std::size_t i = 0; i + 1 < least.limbs_.size(); ++i) {
    least.limbs_[i + 1] += least.limbs_[i] >> limb_bits;
    least.limbs_[i] &= limb_mask;
  }
  least.limbs_[4] &= limb_mask;
  const Limbs& l = least.limbs_;
  const std::array<std::uint64_t, 4> words = {l[0] | l[1] << 51, l[1] >> 13 | l[2] << 38,
                                              l[2] >> 26 | l[3] << 25, l[3] >> 39 | l[4] << 12};
  std::array<std::uint8_t, 32> bytes;
  std::memcpy(bytes.data(), words.data(), sizeof words);
  return bytes;
}

Field25519 Field25519::operator+(const Field25519& other) const {
  Field25519 sum = *this;
  for (std::size_t i = 0; i < limbs_.size(); ++i) sum.limbs_[i] += other.limbs_[i];
  sum.carry();
  return sum;
}

Field25519 Field25519::operator-(const Field25519& other) const {
  // Four times p, so that no limb goes below zero.
  Field25519 difference = *this;
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    const std::uint64_t multiple = 4 * (i == 0 ? limb_mask - 18 : limb_mask);
    difference.limbs_[i] += multiple - other.limbs_[i];
  }
  difference.carry();
  return difference;
}

// Each sum is below 2^111, so that what is above a limb fits into 64 bits with 19 times it. All
// limbs are carried at once, twice: one after another would be most of the time of an inversion,
// which is 254 of these that wait for each other. Inlined, so that the sums stay in registers.
[[gnu::always_inline]] inline Field25519 Field25519::of_products(const std::array<Wide, 5>& sums) {
  Limbs limbs;
  Limbs above;
  for (std::size_t i = 0; i < limbs.size(); ++i) {
    limbs[i] = static_cast<std::uint64_t>(sums[i]) & limb_mask;
    above[i] = static_cast<std::uint64_t>(sums[i] >> limb_bits);
  }
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) {
      for (std::size_t i = 0; i < limbs.size(); ++i) {
        above[i] = limbs[i] >> limb_bits;
        limbs[i] &= limb_mask;
      }
    }
    limbs[0] += 19 * above[4];
    for (std::size_t i = 1; i < limbs.size(); ++i) limbs[i] += above[i - 1];
  }
  return Field25519(limbs);
}

// Products that are not below 2^255 come back 19 times at the bottom.
Field25519 Field25519::operator*(const Field25519& other) const {
  const auto& [a0, a1, a2, a3, a4] = limbs_;
  const auto& [b0, b1, b2, b3, b4] = other.limbs_;
  const std::uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
  return of_products(
      {Wide{a0} * b0 + Wide{a1} * c4 + Wide{a2} * c3 + Wide{a3} * c2 + Wide{a4} * c1,
       Wide{a0} * b1 + Wide{a1} * b0 + Wide{a2} * c4 + Wide{a3} * c3 + Wide{a4} * c2,
       Wide{a0} * b2 + Wide{a1} * b1 + Wide{a2} * b0 + Wide{a3} * c4 + Wide{a4} * c3,
       Wide{a0} * b3 + Wide{a1} * b2 + Wide{a2} * b1 + Wide{a3} * b0 + Wide{a4} * c4,
       Wide{a0} * b4 + Wide{a1} * b3 + Wide{a2} * b2 + Wide{a3} * b1 + Wide{a4} * b0});
}

Field25519 Field25519::squared(int times) const {
  Field25519 power = *this;
  for (; times > 0; --times) {
    const auto [a0, a1, a2, a3, a4] = power.limbs_;
    const std::uint64_t d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
    power = of_products({Wide{a0} * a0 + Wide{d1} * c4 + Wide{d2} * c3,
                         Wide{d0} * a1 + Wide{d2} * c4 + Wide{a3} * c3,
                         Wide{d0} * a2 + Wide{a1} * a1 + Wide{2 * a3} * c4,
                         Wide{d0} * a3 + Wide{d1} * a2 + Wide{a4} * c4,
                         Wide{d0} * a4 + Wide{d1} * a3 + Wide{a2} * a2});
  }
  return power;
}

// The power p - 2 = 2^255 - 21 = 2^5 (2^250 - 1) + 11, of powers whose exponents are ones only.
Field25519 Field25519::inverse() const {
  const Field25519 two = squared(1);
  const Field25519 nine = two.squared(2) * *this;
  const Field25519 eleven = nine * two;
  const Field25519 ones_5 = eleven.squared(1) * nine;
  const Field25519 ones_10 = ones_5.squared(5) * ones_5;
  const Field25519 ones_20 = ones_10.squared(10) * ones_10;
  const Field25519 ones_40 = ones_20.squared(20) * ones_20;
  const Field25519 ones_50 = ones_40.squared(10) * ones_10;
  const Field25519 ones_100 = ones_50.squared(50) * ones_50;
  const Field25519 ones_200 = ones_100.squared(100) * ones_100;
  const Field25519 ones_250 = ones_200.squared(50) * ones_50;
  return ones_250.squared(5) * eleven;
}

}  // namespace godwit::crypto
