// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "protocol/limits.h"

// What a load's messages hold: the message's id, the sender's number where there is room for it,
// and bytes of the seed. So a message that is cut, mixed up with another or altered is seen. Not
// thread safe: there is one buffer.

namespace godwit::client::load {

inline constexpr std::size_t payload_size_min = 8;

class Payload {
 public:
  // REQUIRES: payload_size_min <= size <= protocol::payload_size_max.
  Payload(std::size_t size, std::uint64_t seed) : bytes_(size) {
    SeededRandom random(seed);
    random.fill(bytes_);
  }

  struct Of {
    std::uint64_t id = 0;
    std::uint32_t sender = 0;
  };
  // Good until the next call.
  Bytes make(const Of& message) {
    write_head(message);
    return bytes_;
  }
  bool is(const Of& message, Bytes payload) {
    write_head(message);
    return std::ranges::equal(payload, bytes_);
  }

 private:
  void write_head(const Of& message) {
    ByteWriter(bytes_).u64(message.id);
    if (bytes_.size() < 12) return;
    ByteWriter(MutableBytes(bytes_).subspan(8)).u32(message.sender);
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace godwit::client::load
