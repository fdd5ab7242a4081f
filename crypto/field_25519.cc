// SPDX-License-Identifier: Apache-2.0
#include "crypto/field_25519.h"

#include <cstring>

namespace godwit::crypto {
namespace {

__extension__ using Wide = unsigned __int128;

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

Field25519 Field25519::operator*(const Field25519& other) const {
  std::array<Wide, 5> sums{};
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    for (std::size_t j = 0; j < limbs_.size(); ++j) {
      const Wide product = Wide{limbs_[i]} * other.limbs_[j];
      sums[(i + j) % 5] += i + j < 5 ? product : 19 * product;
    }
  }
  Limbs limbs;
  Wide above = 0;
  for (std::size_t i = 0; i < limbs.size(); ++i) {
    sums[i] += above;
    limbs[i] = static_cast<std::uint64_t>(sums[i]) & limb_mask;
    above = sums[i] >> limb_bits;
  }
  // Below 2^60, so that the sum with a limb fits.
  limbs[0] += 19 * static_cast<std::uint64_t>(above);
  limbs[1] += limbs[0] >> limb_bits;
  limbs[0] &= limb_mask;
  return Field25519(limbs);
}

// The power p - 2 = 2^255 - 21, whose bits are all ones but for two of the lowest five, 01011.
Field25519 Field25519::inverse() const {
  Field25519 power = *this;
  for (int bit = 253; bit >= 0; --bit) {
    power = power * power;
    if (bit != 2 && bit != 4) power = power * *this;
  }
  return power;
}

}  // namespace godwit::crypto
