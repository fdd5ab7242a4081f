// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace godwit::dataplane::io {

// What a conformance test sets of a backend.
struct Limits {
  std::uint32_t connections_max = 1000;
  std::uint32_t send_queue_max = 1 << 20;
  std::size_t send_pool_bytes = std::size_t{32} << 20;
  std::uint32_t receive_buffers = 256;
  std::uint32_t receive_buffer_size = 4096;
  Duration linger = std::chrono::seconds(5);
  Duration cold_after = std::chrono::seconds(10);
};

}  // namespace godwit::dataplane::io
