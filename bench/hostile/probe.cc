// SPDX-License-Identifier: Apache-2.0
#include "bench/hostile/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace godwit::bench {

namespace {

double microseconds(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// Bytes received, and when the last of them came: read from the kernel's clock for packets, or now.
struct Received {
  ssize_t size = 0;
  Instant arrived{};
  Instant read{};
};

Received receive(int socket, MutableBytes bytes) {
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<std::uint8_t, 64> control;
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  Received received{.size = ::recvmsg(socket, &header, 0)};
  received.read = received.arrived = monotonic_now();
  if (received.size <= 0) return received;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp;
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    timespec wall;
    ::clock_gettime(CLOCK_REALTIME, &wall);
    const auto ago = std::chrono::seconds(wall.tv_sec - stamp.tv_sec) +
                     std::chrono::nanoseconds(wall.tv_nsec - stamp.tv_nsec);
    received.arrived -= std::max<Duration>(ago, Duration{0});
  }
  return received;
}

}  // namespace

Probe::Probe(const Options& options)
    : options_(options), payload_(100), members_(options.accounts.size()) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
}

Probe::~Probe() {
  for (const Member& member : members_) {
    if (member.socket >= 0) ::close(member.socket);
  }
  ::close(epoll_);
}

Result<void> Probe::open(std::size_t index) {
  Member& member = members_[index];
  member.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(member.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorCode::io, std::string("cannot connect: ") + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(member.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(member.socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  ::fcntl(member.socket, F_SETFL, O_NONBLOCK);
  LoadAccount& account = options_.accounts[index];
  member.client = std::make_unique<LoadClient>(
      LoadClient::Options{.goal = account.device == 0 ? LoadClient::Goal::register_account
                                                      : LoadClient::Goal::log_in,
                          .account = account,
                          .partner = options_.accounts[index ^ 1].user,
                          .domain = "localhost",
                          .payload = payload_},
      options_.random);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, member.socket, &event);
  return put_out(member);
}

Result<void> Probe::put_out(Member& member) {
  std::vector<std::uint8_t>& bytes = member.client->output();
  if (bytes.empty()) return {};
  // A good client has little to say; a socket that does not take it is an error here.
  const ssize_t sent = ::send(member.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) {
    return fail(ErrorCode::io, "the gateway takes no more of a good client");
  }
  bytes.clear();
  return {};
}

Result<void> Probe::take_in(std::size_t index) {
  Member& member = members_[index];
  std::array<std::uint8_t, 16'384> bytes;
  const Received got = receive(member.socket, bytes);
  if (got.size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (got.size <= 0) return fail(ErrorCode::io, "the gateway closed a good client's connection");
  const auto messages =
      member.client->on_bytes(MutableBytes(bytes).first(static_cast<std::size_t>(got.size)));
  if (!messages) return std::unexpected(messages.error());
  if (*messages > 0) {
    note_arrival(members_[index ^ 1], got.arrived, got.read);
    member.client->write_frame(0);
  }
  return put_out(member);
}

void Probe::note_arrival(Member& sender, Instant arrived, Instant read) {
  latencies_us_.push_back(microseconds(arrived - sender.sent));
  late_us_.push_back(microseconds(read - arrived));
  sender.under_way = false;
}

Result<void> Probe::wait(Duration time) {
  std::array<epoll_event, 64> events;
  const timespec timeout{.tv_sec = 0, .tv_nsec = std::clamp<long>(time.count(), 0, 50'000'000)};
  const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    if (auto taken = take_in(events[static_cast<std::size_t>(i)].data.u64); !taken) return taken;
  }
  return {};
}

Result<void> Probe::connect() {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (auto opened = open(i); !opened) return opened;
    Instant end = monotonic_now() + std::chrono::seconds(10);
    while (!members_[i].client->reached_goal()) {
      if (monotonic_now() > end) return fail(ErrorCode::io, "a login takes over ten seconds");
      if (auto waited = wait(std::chrono::milliseconds(10)); !waited) return waited;
    }
  }
  return {};
}

void Probe::send_due(Instant now) {
  for (Member& member : members_) {
    if (member.due > now) continue;
    if (member.under_way) {
      member.held_up = true;
      continue;
    }
    // Late because the one before took long: that is the gateway's. Else it is our own clock's.
    member.sent = member.held_up ? member.due : now;
    member.held_up = false;
    member.due = std::max(member.due + options_.interval, now);
    member.under_way = true;
    member.client->write_frame(1);
  }
}

Result<Latency> Probe::run_for(Duration time) {
  const Instant start = monotonic_now();
  latencies_us_.clear();
  late_us_.clear();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    members_[i].due = start + options_.interval * i / members_.size();
  }
  for (Instant now = start; now < start + time; now = monotonic_now()) {
    send_due(now);
    Instant next = now + options_.interval;
    for (Member& member : members_) {
      if (auto put = put_out(member); !put) return std::unexpected(put.error());
      if (!member.under_way) next = std::min(next, member.due);
    }
    if (auto waited = wait(next - now); !waited) return std::unexpected(waited.error());
  }
  // What is under way still counts, however long it takes.
  const Instant patience = monotonic_now() + std::chrono::seconds(10);
  while (std::ranges::any_of(members_, &Member::under_way)) {
    if (monotonic_now() > patience) return fail(ErrorCode::io, "a message has not arrived");
    if (auto waited = wait(std::chrono::milliseconds(10)); !waited) {
      return std::unexpected(waited.error());
    }
  }
  Latency latency = summarise(latencies_us_);
  latency.late_p99_us = summarise(late_us_).p99_us;
  return latency;
}

Latency summarise(std::vector<double>& samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto at = [&](double part) {
    return samples[static_cast<std::size_t>(part * static_cast<double>(samples.size() - 1))];
  };
  return {
      .messages = samples.size(), .p50_us = at(0.5), .p99_us = at(0.99), .max_us = samples.back()};
}

}  // namespace godwit::bench
