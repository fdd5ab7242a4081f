// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

// One io_uring with its receive buffers. What the kernel does not have is found out at start and done without;
// describe() says which. Used on the thread that made it, as SINGLE_ISSUER demands.

namespace godwit::dataplane::io::uring {

struct RingOptions {
  std::uint32_t entries = 4096;
  std::uint32_t receive_buffers = 4096;      // a power of two, at most 32 768
  std::uint32_t receive_buffer_size = 4096;
  std::uint32_t direct_descriptors = 0;      // 0: do not use them
  // For tests of the ways without: each refuses what the kernel may well have.
  bool allow_defer_taskrun = true;
  bool allow_direct_descriptors = true;
};

class Ring {
 public:
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Never nullptr: a full queue is submitted first.
  io_uring_sqe* sqe();
  // Submits and runs what is ready; waits for one completion until `wait` has passed when it is positive.
  void enter(Duration wait);

  // Calls `handle(const io_uring_cqe&)` for at most `budget` completions that are there; returns how many.
  template <typename Handle>
  std::size_t drain(std::size_t budget, Handle&& handle) {
    io_uring_cqe* cqes[64];
    std::size_t done = 0;
    while (done < budget) {
      const unsigned count =
          io_uring_peek_batch_cqe(&ring_, cqes, static_cast<unsigned>(std::min<std::size_t>(64, budget - done)));
      if (count == 0) break;
      for (unsigned i = 0; i < count; ++i) {
        const io_uring_cqe copy = *cqes[i];
        handle(copy);
      }
      io_uring_cq_advance(&ring_, count);
      done += count;
    }
    return done;
  }

  MutableBytes receive_buffer(std::uint16_t id, std::size_t size);
  // Takes back a receive buffer; visible to the kernel at publish_buffers().
  void recycle(std::uint16_t id);
  void publish_buffers();
  bool has_direct_descriptors() const { return direct_; }
  const std::string& describe() const { return description_; }

  static constexpr std::uint16_t buffer_group = 0;

 private:
  explicit Ring(const RingOptions& options) : options_(options) {}
  Result<void> start();
  Result<void> start_buffers();

  const RingOptions options_;
  io_uring ring_{};
  bool started_ = false;
  bool direct_ = false;
  bool defer_taskrun_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::size_t buffer_ring_bytes_ = 0;
  std::unique_ptr<std::uint8_t[]> buffers_;
  unsigned recycled_ = 0;
  std::string description_;
};

}  // namespace godwit::dataplane::io::uring
