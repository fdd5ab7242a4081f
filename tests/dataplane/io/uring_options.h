// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/io/uring/uring_backend.h"
#include "tests/dataplane/io/conformance_limits.h"

namespace godwit::dataplane::io {

inline UringBackend::Options uring_options(std::uint16_t shard, const Limits& limits) {
  UringBackend::Options options{.shard = shard,
                                .connections_max = limits.connections_max,
                                .send_queue_max = limits.send_queue_max,
                                .send_pool_bytes = limits.send_pool_bytes,
                                .linger = limits.linger,
                                .cold_after = limits.cold_after};
  options.ring.entries = 256;
  options.ring.receive_buffers = limits.receive_buffers;
  options.ring.receive_buffer_size = limits.receive_buffer_size;
  return options;
}

}  // namespace godwit::dataplane::io
