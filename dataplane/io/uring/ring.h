// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

// One io_uring with its receive buffers. What the kernel does not have is found out at start and
// done without; describe() says which. The queues are driven here and not by liburing's calls, so
// that a turn costs one system call at most and none when nothing is to be done. Used on the thread
// that made it, as SINGLE_ISSUER demands.

namespace godwit::dataplane::io::uring {

struct RingOptions {
  std::uint32_t entries = 4096;
  std::uint32_t receive_buffers = 1024;  // a power of two, at most 32 768
  std::uint32_t receive_buffer_size = 4096;
  std::uint32_t direct_descriptors = 0;  // 0: do not use them
  // For tests of the ways without: each refuses what the kernel may well have.
  bool allow_task_flags = true;
  bool allow_defer_taskrun = true;
  bool allow_direct_descriptors = true;
  bool allow_multishot_receive = true;
};

class Ring {
 public:
  // Errors: invalid for options that cannot be, io when the kernel has no io_uring or one older
  // than 5.19.
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
  // Cancels what is armed and waits for that, at most a second.
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Never nullptr: a full queue is submitted first. After reserve(n) the next n calls submit
  // nothing.
  io_uring_sqe* sqe() {
    if (submissions_waiting() == ring_.sq.ring_entries) [[unlikely]]
      submit();
    return &ring_.sq.sqes[ring_.sq.sqe_tail++ & ring_.sq.ring_mask];
  }
  void reserve(unsigned count) {
    if (submissions_waiting() + count > ring_.sq.ring_entries) submit();
  }
  // A sendmsg's header and vectors, good until they are submitted.
  struct Scatter {
    msghdr header;
    std::array<iovec, 32> vectors;
  };
  Scatter& scatter();

  // Submits, and runs what is ready. Waits for a completion until `wait` has passed when that is
  // positive and none is there. No system call when there is nothing to submit and the kernel has
  // nothing to run.
  void enter(Duration wait);
  // Submits everything, whatever it takes.
  void submit();
  // The kernel has more to run than the last enter() ran: with deferred task work that is 20
  // events.
  bool has_more() const {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) !=
           0;
  }
  bool next(io_uring_cqe& cqe) {
    const unsigned head = *ring_.cq.khead;
    if (head == io_uring_smp_load_acquire(ring_.cq.ktail)) return false;
    cqe = ring_.cq.cqes[head & ring_.cq.ring_mask];
    io_uring_smp_store_release(ring_.cq.khead, head + 1);
    return true;
  }
  // An ordinary descriptor for a direct one, or -1 where the kernel (before 6.8) cannot. `tag` is a
  // completion's user_data: one that carries it later and has a descriptor as its result comes from
  // here and is to be closed.
  int install(std::int32_t direct, std::uint64_t tag);

  MutableBytes receive_buffer(std::uint16_t id, std::size_t size) {
    return {buffers_.get() + std::size_t{id} * buffer_stride_, size};
  }
  // Takes back a receive buffer; visible to the kernel at publish_buffers().
  void recycle(std::uint16_t id);
  void publish_buffers();
  bool has_direct_descriptors() const { return direct_; }
  bool has_multishot_receive() const { return multishot_receive_; }
  const std::string& describe() const { return description_; }

  static constexpr std::uint16_t buffer_group = 0;

 private:
  explicit Ring(const RingOptions& options) : options_(options) {}
  Result<void> start();
  Result<void> start_buffers();
  void probe();
  unsigned submissions_waiting() const {
    return ring_.sq.sqe_tail - io_uring_smp_load_acquire(ring_.sq.khead);
  }
  int call(unsigned to_submit, unsigned wait_for, unsigned flags, void* argument, std::size_t size);

  const RingOptions options_;
  io_uring ring_{};
  bool started_ = false;
  bool registered_ = false;
  bool direct_ = false;
  bool defer_taskrun_ = false;
  bool multishot_receive_ = false;
  bool can_install_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::size_t buffer_ring_bytes_ = 0;
  std::size_t buffer_stride_ = 0;
  std::unique_ptr<std::uint8_t[]> buffers_;
  unsigned recycled_ = 0;
  std::vector<Scatter> scatters_;
  std::size_t scatters_used_ = 0;
  std::string description_;
};

}  // namespace godwit::dataplane::io::uring
