// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk/packet_sleep.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>

#include "base/result.h"

namespace godwit::dataplane::io::dpdk {

PacketSleep::PacketSleep() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  GODWIT_CHECK(event_ >= 0);
}

PacketSleep::~PacketSleep() {
  ::close(event_);
}

// One write until the owner has seen it. Who finds `pending_` set has nothing to do: the owner
// clears it before it reads, so either it has yet to look, or will not sleep when it does.
void PacketSleep::wake() {
  if (pending_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

bool PacketSleep::woken() {
  if (!pending_.load(std::memory_order_relaxed)) return false;
  pending_.exchange(false, std::memory_order_acq_rel);
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(event_, &count, sizeof count);
  return true;
}

unsigned PacketSleep::wait(std::span<const int> descriptors, Duration at_most) {
  GODWIT_CHECK(descriptors.size() <= descriptors_max);
  std::array<pollfd, 1 + descriptors_max> ready{{{.fd = event_, .events = POLLIN, .revents = 0}}};
  nfds_t count = 1;
  for (const int descriptor : descriptors) {
    ready[count++] = {.fd = descriptor, .events = POLLIN, .revents = 0};
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at_most);
  const timespec time{.tv_sec = seconds.count(), .tv_nsec = (at_most - seconds).count()};
  ::ppoll(ready.data(), count, &time, nullptr);
  unsigned readable = 0;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    if ((ready[i + 1].revents & POLLIN) != 0) readable |= 1U << i;
  }
  return readable;
}

}  // namespace godwit::dataplane::io::dpdk
