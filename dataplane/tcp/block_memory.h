// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "queues/buffer.h"

namespace godwit::dataplane::tcp {

// A block of the pool that holds `wanted` bytes if it can be had: of the class that fits, else of a
// larger one, else of a smaller one that holds at least `least`. The pool's memory is bound to
// classes as they were first needed, so the fitting one may be empty while others are not. Its
// size() is 0; empty when there is none at all.
inline queues::Buffer allocate_block(queues::BufferPool& pool, std::size_t wanted,
                                     std::size_t least) {
  constexpr auto& sizes = queues::BufferPool::block_sizes;
  constexpr std::size_t head = sizeof(queues::BufferBlock);
  std::size_t fitting = 0;
  while (fitting + 1 < sizes.size() && sizes[fitting] < wanted + head) ++fitting;
  queues::Buffer buffer;
  for (std::size_t i = fitting; i < sizes.size() && !buffer; ++i) {
    buffer = pool.allocate(sizes[i] - head);
  }
  for (std::size_t i = fitting; i-- > 0 && !buffer;) {
    if (sizes[i] - head < least) break;
    buffer = pool.allocate(sizes[i] - head);
  }
  if (buffer) buffer.resize(0);
  return buffer;
}

}  // namespace godwit::dataplane::tcp
