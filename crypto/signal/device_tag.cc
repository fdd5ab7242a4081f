// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/device_tag.h"

#include <array>

#include "crypto/hash.h"

namespace godwit::crypto::signal {

std::uint32_t device_tag(std::uint16_t device, Bytes identity) {
  const std::array<std::uint8_t, 2> number{static_cast<std::uint8_t>(device >> 8),
                                           static_cast<std::uint8_t>(device)};
  const Digest digest = hash(NoiseHash::sha256, {number, identity});
  ByteReader first(Bytes(digest.bytes()).first(4));
  const std::uint32_t tag = first.u32();
  return tag == 0 ? 1 : tag;
}

}  // namespace godwit::crypto::signal
