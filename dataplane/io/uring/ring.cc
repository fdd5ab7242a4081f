// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/uring/ring.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace godwit::dataplane::io::uring {

namespace {

// Newer than liburing 2.3's header; the kernel's number (include/uapi/linux/io_uring.h, Linux 6.8).
constexpr std::uint8_t op_fixed_fd_install = 54;
// One line apart, or the first bytes of all buffers share the same few sets of the cache.
constexpr std::size_t cache_line = 64;

std::string reason(int error) {
  return std::strerror(error);
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  if (!std::has_single_bit(options.receive_buffers) || options.receive_buffers > 32'768) {
    return fail(ErrorCode::invalid, "receive buffers must number a power of two, at most 32768");
  }
  if (options.receive_buffer_size == 0 || options.entries == 0) {
    return fail(ErrorCode::invalid, "a ring needs entries, and receive buffers a size");
  }
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
  constexpr unsigned basic = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr unsigned cooperative =
      basic | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  // From the best (Linux 6.1) to the oldest.
  const Attempt attempts[] = {
      {cooperative | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "deferred task work"},
      {cooperative | IORING_SETUP_SINGLE_ISSUER, "cooperative task work, single issuer"},
      {cooperative, "cooperative task work"},
      {basic, "plain task work"},
  };
  int error = EINVAL;
  for (const Attempt& attempt : attempts) {
    const bool defers = (attempt.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    if (defers && !options_.allow_defer_taskrun) continue;
    if (attempt.flags != basic && !options_.allow_task_flags) continue;
    io_uring_params params{};
    params.flags = attempt.flags;
    params.cq_entries = options_.entries * 4;
    error = -io_uring_queue_init_params(options_.entries, &ring_, &params);
    if (error != 0) continue;
    started_ = true;
    defer_taskrun_ = defers;
    description_ = std::string("io_uring: ") + attempt.name;
    break;
  }
  if (!started_) {
    return fail(ErrorCode::io,
                "io_uring cannot be set up: " + reason(error) +
                    "; Linux 5.19 or newer is needed, with kernel.io_uring_disabled=0");
  }
  if ((ring_.features & IORING_FEAT_EXT_ARG) == 0 ||
      (ring_.features & IORING_FEAT_SUBMIT_STABLE) == 0) {
    return fail(ErrorCode::io, "this kernel's io_uring is too old; Linux 5.19 or newer is needed");
  }
  // Entries are submitted in the order they are filled in.
  for (unsigned i = 0; i < ring_.sq.ring_entries; ++i) ring_.sq.array[i] = i;
  registered_ = io_uring_register_ring_fd(&ring_) == 1;
  probe();
  return {};
}

void Ring::probe() {
  if (io_uring_probe* probe = io_uring_get_probe_ring(&ring_); probe != nullptr) {
    can_install_ = io_uring_opcode_supported(probe, op_fixed_fd_install) != 0;
    // Both came with Linux 6.0, and multishot receive cannot be asked for.
    multishot_receive_ = options_.allow_multishot_receive &&
                         io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
    io_uring_free_probe(probe);
  }
  if (options_.allow_direct_descriptors && options_.direct_descriptors > 0) {
    direct_ = io_uring_register_files_sparse(&ring_, options_.direct_descriptors) == 0;
  }
  description_ += direct_ ? ", direct descriptors" : ", ordinary descriptors";
  if (direct_ && !can_install_) description_ += " (peer addresses unknown)";
  description_ += multishot_receive_ ? ", multishot receive" : ", single receives";
  description_ += registered_ ? ", registered ring" : ", ring not registered";
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
  buffer_stride_ =
      (options_.receive_buffer_size + cache_line - 1) / cache_line * cache_line + cache_line;
  // Zeroed, so that each page is there before its first bytes come.
  buffers_ = std::make_unique<std::uint8_t[]>(count * buffer_stride_);
  for (std::uint32_t i = 0; i < count; ++i) recycle(static_cast<std::uint16_t>(i));
  publish_buffers();
  scatters_.resize(64);
  description_ += ", provided-buffer ring";
  return {};
}

Ring::~Ring() {
  if (started_) {
    // Otherwise the kernel would end them behind our back, while the memory they use goes.
    io_uring_sync_cancel_reg cancel{};
    cancel.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    cancel.timeout = {.tv_sec = 1, .tv_nsec = 0};
    io_uring_register_sync_cancel(&ring_, &cancel);
    io_uring_queue_exit(&ring_);
  }
  if (buffer_ring_ != nullptr) ::munmap(buffer_ring_, buffer_ring_bytes_);
}

Ring::Scatter& Ring::scatter() {
  if (submissions_waiting() == 0) scatters_used_ = 0;
  if (scatters_used_ == scatters_.size()) {
    submit();
    scatters_used_ = 0;
  }
  return scatters_[scatters_used_++];
}

int Ring::call(unsigned to_submit, unsigned wait_for, unsigned flags, void* argument,
               std::size_t size) {
  if (registered_) flags |= IORING_ENTER_REGISTERED_RING;
  io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
  ring_.sq.sqe_head = ring_.sq.sqe_tail;  // for liburing, which believes it submits
  return io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), to_submit, wait_for, flags,
                         static_cast<sigset_t*>(argument), size);
}

void Ring::enter(Duration wait) {
  const unsigned waiting = submissions_waiting();
  const bool idle = *ring_.cq.khead == io_uring_smp_load_acquire(ring_.cq.ktail);
  if (wait <= Duration::zero() || !idle) {
    if (waiting == 0 && !has_more()) return;
    call(waiting, 0, defer_taskrun_ || has_more() ? IORING_ENTER_GETEVENTS : 0, nullptr, _NSIG / 8);
    return;
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
  __kernel_timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
  io_uring_getevents_arg argument{};
  argument.sigmask_sz = _NSIG / 8;
  argument.ts = reinterpret_cast<std::uint64_t>(&timeout);
  call(waiting, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

void Ring::submit() {
  // The kernel may say that it is busy until completions that did not fit have been asked for.
  for (int attempt = 0; submissions_waiting() > 0; ++attempt) {
    GODWIT_CHECK(attempt < 1000);
    call(submissions_waiting(), 0, attempt > 0 ? IORING_ENTER_GETEVENTS : 0, nullptr, _NSIG / 8);
  }
}

int Ring::install(std::int32_t direct, std::uint64_t tag) {
  if (!can_install_) return -1;
  io_uring_sqe* entry = sqe();
  io_uring_prep_nop(entry);
  entry->opcode = op_fixed_fd_install;
  entry->fd = direct;
  entry->flags = IOSQE_FIXED_FILE;
  entry->user_data = tag;
  submit();
  // Done while it was submitted; its completion is somewhere behind those not looked at yet.
  const unsigned tail = io_uring_smp_load_acquire(ring_.cq.ktail);
  for (unsigned i = *ring_.cq.khead; i != tail; ++i) {
    io_uring_cqe& cqe = ring_.cq.cqes[i & ring_.cq.ring_mask];
    if (cqe.user_data != tag) continue;
    cqe.user_data = 0;
    return cqe.res;
  }
  return -1;
}

void Ring::recycle(std::uint16_t id) {
  io_uring_buf_ring_add(buffer_ring_, receive_buffer(id, 1).data(), options_.receive_buffer_size,
                        id, io_uring_buf_ring_mask(options_.receive_buffers),
                        static_cast<int>(recycled_++));
}

void Ring::publish_buffers() {
  if (recycled_ == 0) return;
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(recycled_));
  recycled_ = 0;
}

}  // namespace godwit::dataplane::io::uring
