// SPDX-License-Identifier: Apache-2.0
#include "crypto/kem/keccak_four.h"

#include "base/result.h"
#include "crypto/constant_time.h"
#include "crypto/kem/avx2.h"
#include "crypto/kem/keccak_permutation.h"

namespace godwit::crypto {
namespace {

void permute_four_portable(KeccakFour::States& states) {
  struct State {
    std::uint64_t lanes[keccak::lane_count];
  };
  Wiped<State> one;
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t i = 0; i < keccak::lane_count; ++i) one->lanes[i] = states[i][k];
    keccak::permute(one->lanes);
    for (std::size_t i = 0; i < keccak::lane_count; ++i) states[i][k] = one->lanes[i];
  }
}

}  // namespace

void KeccakFour::absorb(std::span<const std::uint8_t, 32> seed,
                        const std::array<std::array<std::uint8_t, 2>, 4>& suffixes,
                        std::size_t suffix_size) {
  GODWIT_CHECK(suffix_size <= 2);
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t i = 0; i < seed.size() / 8; ++i) {
      std::memcpy(&states_[i][k], seed.data() + 8 * i, 8);
    }
    std::uint64_t tail = std::uint64_t{keccak_suffix(kind_)} << (8 * suffix_size);
    for (std::size_t i = 0; i < suffix_size; ++i) tail |= std::uint64_t{suffixes[k][i]} << (8 * i);
    states_[seed.size() / 8][k] = tail;
    states_[keccak_rate(kind_) / 8 - 1][k] ^= std::uint64_t{0x80} << 56;
  }
}

void KeccakFour::absorb(const std::array<Bytes, 4>& messages) {
  const std::size_t rate = keccak_rate(kind_);
  const std::size_t size = messages[0].size();
  for (const Bytes message : messages) GODWIT_CHECK(message.size() == size);
  std::size_t done = 0;
  const auto add = [&](std::size_t k, std::size_t at, std::size_t count) {
    std::uint64_t word = 0;
    std::memcpy(&word, messages[k].data() + done + at, count);
    states_[at / 8][k] ^= word;
  };
  for (; size - done >= rate; done += rate) {
    for (std::size_t at = 0; at < rate; at += 8) {
      for (std::size_t k = 0; k < 4; ++k) add(k, at, 8);
    }
    permute();
  }
  const std::size_t rest = size - done;
  for (std::size_t k = 0; k < 4; ++k) {
    std::size_t at = 0;
    for (; at + 8 <= rest; at += 8) add(k, at, 8);
    if (at < rest) add(k, at, rest - at);
    states_[rest / 8][k] ^= std::uint64_t{keccak_suffix(kind_)} << (8 * (rest % 8));
    states_[rate / 8 - 1][k] ^= std::uint64_t{0x80} << 56;
  }
}

void KeccakFour::permute() {
  if (path_ == KemPath::avx2) {
    avx2::permute_four(states_);
  } else {
    permute_four_portable(states_);
  }
}

void KeccakFour::squeeze(const std::array<MutableBytes, 4>& out) {
  permute();
  for (std::size_t k = 0; k < out.size(); ++k) {
    GODWIT_CHECK(out[k].size() <= keccak_rate(kind_) && out[k].size() % 8 == 0);
    for (std::size_t i = 0; i < out[k].size() / 8; ++i) {
      std::memcpy(out[k].data() + 8 * i, &states_[i][k], 8);
    }
  }
}

void sha3_256_four(const std::array<std::span<std::uint8_t, 32>, 4>& out,
                   const std::array<Bytes, 4>& messages) {
  KeccakFour four(KeccakKind::sha3_256, kem_path());
  four.absorb(messages);
  four.squeeze({out[0], out[1], out[2], out[3]});
}

}  // namespace godwit::crypto
