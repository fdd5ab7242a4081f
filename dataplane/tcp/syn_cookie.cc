// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/syn_cookie.h"

#include <array>

namespace godwit::dataplane::tcp {

namespace {

// What common links have (Ethernet with tunnels of many kinds in between), rounded down to.
constexpr std::array<std::uint16_t, 8> mss_table = {216, 536, 1220, 1300, 1360, 1400, 1440, 1460};
constexpr unsigned hash_bits = 27;
constexpr std::uint32_t hash_mask = (1U << hash_bits) - 1;
constexpr std::uint32_t no_scale = 15;
constexpr std::uint32_t sack_bit = 0x10;
constexpr std::uint32_t ecn_bit = 0x20;
constexpr std::uint32_t option_bits = 0x3f;

std::uint32_t epoch_of(Instant now) {
  return static_cast<std::uint32_t>(now.time_since_epoch() / (cookie_life / 2));
}

std::uint32_t hash_of(const CookieInput& input, const Flow& flow, std::uint32_t irs,
                      std::uint32_t epoch, std::uint32_t mss_index) {
  return input.hash.cookie(flow, irs, epoch << 3 | mss_index) & hash_mask;
}

}  // namespace

std::uint32_t cookie_of(const CookieInput& input, const HalfOpen& half_open) {
  std::uint32_t mss_index = mss_table.size() - 1;
  while (mss_index > 0 && mss_table[mss_index] > half_open.mss) --mss_index;
  const std::uint32_t epoch = epoch_of(input.now);
  return epoch << 30 | mss_index << hash_bits |
         hash_of(input, half_open.flow, half_open.irs, epoch, mss_index);
}

std::uint32_t cookie_timestamp(std::uint32_t clock, const HalfOpen& half_open) {
  const std::uint32_t bits = (half_open.scaling ? half_open.snd_scale : no_scale) |
                             (half_open.sack ? sack_bit : 0) | (half_open.ecn ? ecn_bit : 0);
  const std::uint32_t value = (clock & ~option_bits) | bits;
  return value > clock ? value - (option_bits + 1) : value;
}

std::optional<HalfOpen> read_cookie(const CookieInput& input, const SegmentIn& segment) {
  const std::uint32_t cookie = segment.ack - 1;
  const std::uint32_t mss_index = cookie >> hash_bits & 7;
  const std::uint32_t now_epoch = epoch_of(input.now);
  const std::uint32_t age = (now_epoch - (cookie >> 30)) & 3;
  if (age > 1) return std::nullopt;
  HalfOpen half_open;
  half_open.flow = segment.flow;
  half_open.irs = segment.seq - 1;
  half_open.iss = cookie;
  half_open.mss = mss_table[mss_index];
  half_open.window = segment.window;
  if (hash_of(input, segment.flow, half_open.irs, now_epoch - age, mss_index) !=
      (cookie & hash_mask)) {
    return std::nullopt;
  }
  if (segment.options.timestamps) {
    const std::uint32_t bits = segment.options.timestamps->echo & option_bits;
    half_open.timestamps = true;
    half_open.ts_recent = segment.options.timestamps->value;
    half_open.scaling = (bits & 15) != no_scale;
    half_open.snd_scale = half_open.scaling ? bits & 15 : 0;
    half_open.sack = (bits & sack_bit) != 0;
    half_open.ecn = (bits & ecn_bit) != 0;
  }
  return half_open;
}

}  // namespace godwit::dataplane::tcp
