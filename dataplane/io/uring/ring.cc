// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

// Newer than liburing 2.3's header on some machines; the kernel's numbers (include/uapi/linux/io_uring.h).
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

namespace godwit::dataplane::io::uring {

namespace {

std::string reason(int error) { return std::strerror(error); }

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  std::unique_ptr<Ring> ring(new Ring(options));
  if (auto started = ring->start(); !started) return std::unexpected(started.error());
  if (auto started = ring->start_buffers(); !started) return std::unexpected(started.error());
  return ring;
}

Result<void> Ring::start() {
  struct Attempt {
    unsigned flags;
    const char* name;
  };
  constexpr unsigned basic = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
  constexpr unsigned cooperative = basic | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  // From the best (Linux 6.1) to what 5.19 has.
  const Attempt attempts[] = {
      {cooperative | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "deferred task work"},
      {cooperative | IORING_SETUP_SINGLE_ISSUER, "cooperative task work, single issuer"},
      {cooperative, "cooperative task work"},
      {IORING_SETUP_CQSIZE, "plain"},
  };
  int error = 0;
  for (const Attempt& attempt : attempts) {
    const bool defers = (attempt.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    if (defers && !options_.allow_defer_taskrun) continue;
    io_uring_params params{};
    params.flags = attempt.flags;
    params.cq_entries = options_.entries * 4;
    error = -io_uring_queue_init_params(options_.entries, &ring_, &params);
    if (error != 0) continue;
    started_ = true;
    defer_taskrun_ = defers;
    description_ = std::string("io_uring: ") + attempt.name;
    io_uring_register_ring_fd(&ring_);
    break;
  }
  if (!started_) {
    return fail(ErrorCode::io, "io_uring cannot be set up: " + reason(error) +
                                   "; Linux 5.19 or newer is needed, with kernel.io_uring_disabled=0");
  }
  if (options_.allow_direct_descriptors && options_.direct_descriptors > 0) {
    direct_ = io_uring_register_files_sparse(&ring_, options_.direct_descriptors) == 0;
  }
  description_ += direct_ ? ", direct descriptors" : ", ordinary descriptors";
  return {};
}

Result<void> Ring::start_buffers() {
  const std::uint32_t count = options_.receive_buffers;
  buffer_ring_bytes_ = count * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, buffer_ring_bytes_, PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return fail(ErrorCode::io, "no memory for receive buffers");
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = count;
  registration.bgid = buffer_group;
  if (const int error = -io_uring_register_buf_ring(&ring_, &registration, 0); error != 0) {
    return fail(ErrorCode::io, "io_uring refuses a ring of receive buffers: " + reason(error) +
                                   "; Linux 5.19 or newer is needed");
  }
  io_uring_buf_ring_init(buffer_ring_);
  buffers_ = std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{count} *
                                                            options_.receive_buffer_size);
  for (std::uint32_t i = 0; i < count; ++i) recycle(static_cast<std::uint16_t>(i));
  publish_buffers();
  description_ += ", provided-buffer ring";
  return {};
}

Ring::~Ring() {
  if (started_) io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) ::munmap(buffer_ring_, buffer_ring_bytes_);
}

io_uring_sqe* Ring::sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void Ring::enter(Duration wait) {
  if (wait <= Duration::zero()) {
    // With deferred task work a plain submit runs nothing: completions come only from an enter that asks.
    if (defer_taskrun_) {
      io_uring_submit_and_get_events(&ring_);
    } else if (io_uring_sq_ready(&ring_) > 0) {
      io_uring_submit(&ring_);
    } else if (io_uring_cq_ready(&ring_) == 0) {
      io_uring_get_events(&ring_);
    }
    return;
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
  __kernel_timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
  io_uring_cqe* first = nullptr;
  io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
}

MutableBytes Ring::receive_buffer(std::uint16_t id, std::size_t size) {
  return {buffers_.get() + std::size_t{id} * options_.receive_buffer_size, size};
}

void Ring::recycle(std::uint16_t id) {
  io_uring_buf_ring_add(buffer_ring_, receive_buffer(id, 1).data(), options_.receive_buffer_size, id,
                        io_uring_buf_ring_mask(options_.receive_buffers),
                        static_cast<int>(recycled_++));
}

void Ring::publish_buffers() {
  if (recycled_ == 0) return;
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(recycled_));
  recycled_ = 0;
}

}  // namespace godwit::dataplane::io::uring
