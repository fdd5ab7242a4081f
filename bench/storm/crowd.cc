// SPDX-License-Identifier: Apache-2.0
#include "bench/storm/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace godwit::bench {
namespace {

// As client/client.cc.
constexpr Duration first_back_off = std::chrono::milliseconds(100);
constexpr Duration longest_back_off = std::chrono::seconds(30);

}  // namespace

Crowd::Crowd(const Options& options, RandomSource& random)
    : options_(options),
      at_once_(options.at_once),
      random_(random),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      payload_(load_payload_size_min, 'x'),
      members_(options.accounts.size()) {
  GODWIT_CHECK(epoll_ >= 0);
}

Crowd::~Crowd() {
  for (const Member& member : members_) {
    if (member.descriptor >= 0) ::close(member.descriptor);
  }
  ::close(epoll_);
}

Result<Duration> Crowd::until_all_are_back(Duration patience) {
  const Instant from = now_ = monotonic_now();
  while (ready_ < members_.size()) {
    turn(true);
    if (now_ - from > patience) {
      return fail(ErrorCode::unavailable,
                  std::to_string(members_.size() - ready_) + " clients did not come back");
    }
  }
  return now_ - from;
}

Result<void> Crowd::until_all_are_gone(Duration patience) {
  const Instant from = now_ = monotonic_now();
  while (ready_ + trying_ > 0) {
    turn(false);
    if (now_ - from > patience) {
      return fail(ErrorCode::unavailable, std::to_string(ready_) + " sessions did not end");
    }
  }
  return {};
}

Crowd::Attempts Crowd::take_attempts() {
  return std::exchange(attempts_, {});
}

void Crowd::turn(bool reconnect) {
  now_ = monotonic_now();
  if (reconnect) {
    for (std::uint32_t index = 0; index < members_.size(); ++index) {
      if (at_once_ != 0 && trying_ >= at_once_) break;
      const Member& member = members_[index];
      if (member.descriptor < 0 && member.connect_at <= now_) connect(index);
    }
  }
  std::array<epoll_event, 512> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1);
  for (int i = 0; i < count; ++i)
    on_event(events[static_cast<std::size_t>(i)].data.u32,
             events[static_cast<std::size_t>(i)].events);
}

void Crowd::connect(std::uint32_t index) {
  Member& member = members_[index];
  ++attempts_.tried;
  member.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  GODWIT_CHECK(member.descriptor >= 0);
  const int on = 1;
  ::setsockopt(member.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++trying_;
  member.client =
      std::make_unique<LoadClient>(LoadClient::Options{.account = options_.accounts[index],
                                                       .partner = options_.accounts[index ^ 1].user,
                                                       .domain = "localhost",
                                                       .payload = as_bytes(payload_)},
                                   random_);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(options_.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int done =
      ::connect(member.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (done != 0 && errno != EINPROGRESS) return lose(index);
  epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.u32 = index}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, member.descriptor, &event);
}

void Crowd::on_event(std::uint32_t index, std::uint32_t events) {
  Member& member = members_[index];
  if (member.descriptor < 0) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    std::array<std::uint8_t, 4096> bytes;
    const ssize_t size = ::recv(member.descriptor, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return lose(index);
    if (!member.client->on_bytes(MutableBytes(bytes).first(static_cast<std::size_t>(size)))) {
      return lose(index);
    }
    if (!member.ready && member.client->reached_goal()) {
      member.ready = true;
      member.failures = 0;
      ++ready_;
      --trying_;
    }
  }
  if (!write(member)) return lose(index);
  if ((events & EPOLLOUT) != 0) {  // from now on it only answers
    epoll_event event{.events = EPOLLIN, .data = {.u32 = index}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, member.descriptor, &event);
  }
}

// What a client says until it has its session always fits a socket.
bool Crowd::write(Member& member) {
  std::vector<std::uint8_t>& output = member.client->output();
  if (output.empty()) return true;
  const ssize_t sent = ::send(member.descriptor, output.data(), output.size(), MSG_NOSIGNAL);
  const bool whole = std::cmp_equal(sent, output.size());
  output.clear();
  return whole;
}

void Crowd::lose(std::uint32_t index) {
  Member& member = members_[index];
  ::close(member.descriptor);
  member.descriptor = -1;
  if (std::exchange(member.ready, false)) {
    --ready_;
  } else {
    --trying_;
    ++attempts_.failed;
  }
  const Duration limit =
      std::min(longest_back_off, first_back_off * (1 << std::min(member.failures, 9u)));
  ++member.failures;
  member.connect_at = now_ + Duration(static_cast<Duration::rep>(
                                 random_.below(static_cast<std::uint64_t>(limit.count()) + 1)));
  if (member.client->retry_after_ms() > 0) {
    member.connect_at = now_ + std::chrono::milliseconds(member.client->retry_after_ms());
  }
  member.client.reset();
}

}  // namespace godwit::bench
