// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/kem/kem.h"
#include "crypto/noise.h"

// The patterns as the specification writes them, for noise.cc alone: tables, and no more.

namespace godwit::crypto {

// e1 and ekem1 are those of the HFS extension: an ephemeral encapsulation key, and the ciphertext
// made for it, whose secret is mixed in.
enum class NoiseToken : std::uint8_t { e, s, ee, es, se, ss, e1, ekem1 };

// The messages of a pattern, first to last, in the specification's own words (sections 7.5 and
// 10.2). In XXfallback Alice's e came before, so the first message here is Bob's.
struct NoisePatternInfo {
  const char* name;
  std::array<std::span<const NoiseToken>, 3> messages;
  std::size_t message_count;
};

namespace noise_messages {
using enum NoiseToken;
inline constexpr NoiseToken xx_1[] = {e};
inline constexpr NoiseToken xx_2[] = {e, ee, s, es};
inline constexpr NoiseToken xx_3[] = {s, se};
inline constexpr NoiseToken ik_1[] = {e, es, s, ss};
inline constexpr NoiseToken ik_2[] = {e, ee, se};
// e1 behind the first e, or behind the first DH where its message has one; ekem1 behind ee.
inline constexpr NoiseToken xx_hfs_1[] = {e, e1};
inline constexpr NoiseToken xx_hfs_2[] = {e, ee, ekem1, s, es};
inline constexpr NoiseToken ik_hfs_1[] = {e, es, e1, s, ss};
inline constexpr NoiseToken ik_hfs_2[] = {e, ee, ekem1, se};
// Alice's e1 went under a key that Bob does not have, so here it is Bob who makes one.
inline constexpr NoiseToken xx_fallback_hfs_1[] = {e, ee, e1, s, es};
inline constexpr NoiseToken xx_fallback_hfs_2[] = {ekem1, s, se};
}  // namespace noise_messages

inline const NoisePatternInfo& noise_pattern_info(NoisePattern pattern) {
  using namespace noise_messages;
  static constexpr NoisePatternInfo infos[] = {
      {"XX", {xx_1, xx_2, xx_3}, 3},
      {"IK", {ik_1, ik_2, {}}, 2},
      {"XXfallback", {xx_2, xx_3, {}}, 2},
      {"XXhfs", {xx_hfs_1, xx_hfs_2, xx_3}, 3},
      {"IKhfs", {ik_hfs_1, ik_hfs_2, {}}, 2},
      {"XXfallback+hfs", {xx_fallback_hfs_1, xx_fallback_hfs_2, {}}, 2},
  };
  return infos[static_cast<std::size_t>(pattern)];
}

// What a token puts into the message, without a tag; 0 for those that only mix.
constexpr std::size_t noise_token_size(NoiseToken token) {
  switch (token) {
    case NoiseToken::e:
    case NoiseToken::s:
      return PublicKey{}.size();
    case NoiseToken::e1:
      return MlKem768::sizes.public_key;
    case NoiseToken::ekem1:
      return MlKem768::sizes.ciphertext;
    default:
      return 0;
  }
}
// Whether that goes through EncryptAndHash.
constexpr bool noise_token_sealed(NoiseToken token) {
  return token != NoiseToken::e && noise_token_size(token) > 0;
}
// Whether it mixes in a Diffie-Hellman.
constexpr bool noise_token_is_dh(NoiseToken token) {
  return token >= NoiseToken::ee && token <= NoiseToken::ss;
}
// Whether there is a key from then on.
constexpr bool noise_token_mixes_key(NoiseToken token) {
  return token == NoiseToken::ekem1 || noise_token_size(token) == 0;
}

}  // namespace godwit::crypto
