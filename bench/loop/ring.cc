// SPDX-License-Identifier: Apache-2.0
#include "bench/loop/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace godwit::bench {

Result<std::unique_ptr<Ring>> Ring::create(const Options& options) {
  std::unique_ptr<Ring> ring(new Ring(options));
  if (auto started = ring->start(); !started) return std::unexpected(started.error());
  return ring;
}

Result<void> Ring::start() {
  io_uring_params params{};
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN;
  params.cq_entries = options_.entries * 4;
  int error = -io_uring_queue_init_params(options_.entries, &ring_, &params);
  if (error != 0) {
    return fail(ErrorCode::io, std::string("no io_uring as of Linux 6.1: ") + strerror(error));
  }
  started_ = true;
  io_uring_register_ring_fd(&ring_);
  error = -io_uring_register_files_sparse(&ring_, options_.descriptors);
  if (error != 0) {
    return fail(ErrorCode::io, std::string("no direct descriptors: ") + strerror(error));
  }
  const std::size_t bytes = options_.receive_buffers * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return fail(ErrorCode::io, "no memory for receive buffers");
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = options_.receive_buffers;
  error = -io_uring_register_buf_ring(&ring_, &registration, 0);
  if (error != 0) {
    return fail(ErrorCode::io, std::string("no provided buffers: ") + strerror(error));
  }
  io_uring_buf_ring_init(buffer_ring_);
  buffers_ = std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{options_.receive_buffers} *
                                                            options_.receive_buffer_size);
  io_uring_cqe cqe{};
  for (std::uint32_t i = 0; i < options_.receive_buffers; ++i) {
    cqe.flags = i << IORING_CQE_BUFFER_SHIFT | IORING_CQE_F_BUFFER;
    recycle(cqe);
  }
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(recycled_));
  recycled_ = 0;
  return {};
}

Ring::~Ring() {
  if (started_) io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) {
    ::munmap(buffer_ring_, options_.receive_buffers * sizeof(io_uring_buf));
  }
}

io_uring_sqe* Ring::sqe(Tag tag) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
    GODWIT_CHECK(entry != nullptr);
  }
  entry->user_data = std::uint64_t{static_cast<std::uint8_t>(tag.operation)} << 32 | tag.slot;
  return entry;
}

// The preparing calls of liburing leave user_data as it was.
bool Ring::adopt(std::uint32_t slot, int descriptor) {
  const bool done = io_uring_register_files_update(&ring_, slot, &descriptor, 1) == 1;
  ::close(descriptor);
  return done;
}

void Ring::accept_into_table(int listener) {
  io_uring_prep_multishot_accept_direct(sqe({Operation::accept, 0}), listener, nullptr, nullptr, 0);
}

void Ring::receive(std::uint32_t slot) {
  io_uring_sqe* entry = sqe({Operation::receive, slot});
  io_uring_prep_recv_multishot(entry, static_cast<int>(slot), nullptr, 0, 0);
  entry->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  entry->buf_group = 0;
}

void Ring::send(std::uint32_t slot, Bytes bytes) {
  io_uring_sqe* entry = sqe({Operation::send, slot});
  io_uring_prep_send(entry, static_cast<int>(slot), bytes.data(), bytes.size(),
                     MSG_NOSIGNAL | MSG_WAITALL);
  entry->flags |= IOSQE_FIXED_FILE;
}

void Ring::read_signal(int descriptor, void* info, std::size_t size) {
  io_uring_prep_read(sqe({Operation::signal, 0}), descriptor, info, static_cast<unsigned>(size), 0);
}

void Ring::enter(unsigned wanted, Duration wait) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
  __kernel_timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
  io_uring_cqe* cqe = nullptr;
  io_uring_submit_and_wait_timeout(&ring_, &cqe, wanted, &timeout, nullptr);
}

MutableBytes Ring::received(const io_uring_cqe& cqe) {
  const std::size_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  return {buffers_.get() + id * options_.receive_buffer_size, static_cast<std::size_t>(cqe.res)};
}

void Ring::recycle(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) == 0) return;
  const std::uint32_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  io_uring_buf_ring_add(
      buffer_ring_, buffers_.get() + std::size_t{id} * options_.receive_buffer_size,
      options_.receive_buffer_size, static_cast<std::uint16_t>(id),
      io_uring_buf_ring_mask(options_.receive_buffers), static_cast<int>(recycled_++));
}

}  // namespace godwit::bench
