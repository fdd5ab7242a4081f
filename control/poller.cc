// SPDX-License-Identifier: Apache-2.0
#include "control/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace godwit::control {
namespace {

constexpr std::uint64_t event_number = 0;
constexpr int events_per_poll = 64;
// So that a clock that jumps or a lost deadline costs a second and not a hang.
constexpr std::int64_t sleep_ms_max = 1000;

// Rounded up: waking early would spin until the deadline.
int sleep_ms(Now now, Instant deadline) {
  if (deadline <= now.instant) return 0;
  if (deadline - now.instant >= std::chrono::milliseconds(sleep_ms_max)) return sleep_ms_max;
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(deadline - now.instant).count());
}

}  // namespace

Result<std::unique_ptr<Poller>> Poller::create() {
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return file_error("make", "an epoll descriptor", errno);
  FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return file_error("make", "an eventfd", errno);
  epoll_event interest{.events = EPOLLIN, .data = {.u64 = event_number}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &interest) != 0) {
    return file_error("watch", "an eventfd", errno);
  }
  return std::unique_ptr<Poller>(new Poller(std::move(epoll), std::move(event)));
}

Result<void> Poller::watch(int fd, std::uint32_t events, Handler handler) {
  const std::uint64_t number = next_number_++;
  epoll_event interest{.events = events, .data = {.u64 = number}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0)
    return file_error("watch", "a descriptor", errno);
  watches_.emplace(number, std::make_shared<Watch>(fd, std::move(handler)));
  numbers_[fd] = number;
  return {};
}

void Poller::change(int fd, std::uint32_t events) {
  epoll_event interest{.events = events, .data = {.u64 = numbers_.at(fd)}};
  GODWIT_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &interest) == 0);
}

void Poller::forget(int fd) {
  const auto found = numbers_.find(fd);
  if (found == numbers_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watches_.erase(found->second);
  numbers_.erase(found);
}

Instant Poller::next_deadline() const {
  Instant next = never;
  for (const Timed* timed : timed_) next = std::min(next, timed->next_deadline());
  return next;
}

std::size_t Poller::poll(Now now, Instant deadline, Now (*read)()) {
  std::array<epoll_event, events_per_poll> events;
  const int timeout = sleep_ms(now, std::min(deadline, next_deadline()));
  const int ready = ::epoll_wait(epoll_.get(), events.data(), events_per_poll, timeout);
  if (timeout > 0) now = read();
  std::size_t handled = 0;
  for (int i = 0; i < ready; ++i) {
    if (events[i].data.u64 == event_number) {
      std::uint64_t count = 0;
      while (::read(event_.get(), &count, sizeof count) < 0 && errno == EINTR) {
      }
      continue;
    }
    const auto found = watches_.find(events[i].data.u64);
    if (found == watches_.end()) continue;
    // Kept alive over the call: a handler may forget itself.
    const std::shared_ptr<Watch> watch = found->second;
    watch->handler(events[i].events, now);
    ++handled;
  }
  const std::vector<Timed*> due = timed_;
  for (Timed* timed : due) {
    if (timed->next_deadline() <= now.instant) timed->expire(now);
  }
  return handled;
}

void Poller::wake() {
  const std::uint64_t one = 1;
  while (::write(event_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace godwit::control
