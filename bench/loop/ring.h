// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

// The plainest fast io_uring loop for many small connections: deferred task work, direct
// descriptors, multishot receive from one ring of provided buffers. Both sides of the benchmarks
// use it, and nothing of the gateway, so that a change of the gateway's own loop moves one side of
// a ratio only.
//
// Not thread safe; used on the thread that made it. Needs Linux 6.1 or newer.

namespace godwit::bench {

// What a completion belongs to: an operation and a descriptor of the ring's table.
enum class Operation : std::uint8_t { none, accept, receive, send, signal };
struct Tag {
  Operation operation = Operation::none;
  std::uint32_t slot = 0;
};

class Ring {
 public:
  struct Options {
    std::uint32_t descriptors = 0;  // of the direct table
    std::uint32_t entries = 4096;
    std::uint32_t receive_buffers = 1024;  // a power of two
    std::uint32_t receive_buffer_size = 2048;
  };
  static Result<std::unique_ptr<Ring>> create(const Options& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Puts an ordinary socket into the table and closes the ordinary descriptor.
  bool adopt(std::uint32_t slot, int descriptor);
  void accept_into_table(int listener);
  void receive(std::uint32_t slot);
  // `bytes` must stay until the completion, which counts all of them unless the connection broke.
  void send(std::uint32_t slot, Bytes bytes);
  void read_signal(int descriptor, void* info, std::size_t size);

  // One system call: submits, and waits until `wanted` completions are there or `wait` is over.
  void enter(unsigned wanted, Duration wait);

  // Calls `each(Tag, const io_uring_cqe&)` for every completion that is there; returns how many.
  template <typename Each>
  unsigned drain(Each&& each) {
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      each(Tag{static_cast<Operation>(cqe->user_data >> 32),
               static_cast<std::uint32_t>(cqe->user_data)},
           *cqe);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    if (recycled_ > 0) io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(recycled_));
    recycled_ = 0;
    return count;
  }

  // The bytes of a receive completion, good until recycle(); may be written to.
  MutableBytes received(const io_uring_cqe& cqe);
  void recycle(const io_uring_cqe& cqe);

 private:
  explicit Ring(const Options& options) : options_(options) {}
  Result<void> start();
  io_uring_sqe* sqe(Tag tag);

  const Options options_;
  io_uring ring_{};
  bool started_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::unique_ptr<std::uint8_t[]> buffers_;
  unsigned recycled_ = 0;
};

}  // namespace godwit::bench
