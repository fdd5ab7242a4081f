// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {
namespace {

constexpr std::int64_t epoch_s = 1'700'000'000;  // any time that is not near 0

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
              POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP);

}  // namespace

// What poll() and epoll may say of a file now.
std::uint32_t Sockets::ready(int fd, File& file) {
  std::uint32_t events = 0;
  if (file.kind == Kind::epoll)
    return epoll_ready(find(fd) ? *find(fd) : file, 1).empty() ? 0 : POLLIN;
  if (file.kind == Kind::pipe_out) return file.bytes->empty() ? 0 : POLLIN;
  if (file.kind == Kind::pipe_in) return room(file) > 0 ? POLLOUT : 0;
  if (file.phase == Phase::fresh) return POLLOUT | POLLHUP;
  if (readable(file)) events |= POLLIN | POLLRDNORM;
  if (file.phase == Phase::listening) return events;
  if (writable(file)) events |= POLLOUT | POLLWRNORM;
  if (finished(file) || file.read_shut) events |= POLLRDHUP;
  if ((finished(file) && file.write_shut) || file.phase == Phase::closed) events |= POLLHUP;
  if (file.error != 0) events |= POLLERR;
  return events;
}

// A number that is another after whatever wakes those who wait for edges: bytes, an end, an error,
// a connection, room. Never 0.
std::uint64_t Sockets::happened(File& file) {
  const auto info = machine_.tcp().info(file.name);
  const std::uint64_t flags = (writable(file) ? 1U : 0U) | (finished(file) ? 2U : 0U) |
                              (file.error != 0 ? 4U : 0U) | (file.read_shut ? 8U : 0U) |
                              (file.write_shut ? 16U : 0U) | 32U |
                              static_cast<unsigned>(file.phase) << 6;
  const std::uint64_t received = info ? info->received : file.bytes->size();
  return received << 24 | (file.accepted & 0xfffU) << 12 | flags;
}

Instant Sockets::deadline(Duration timeout) const {
  return timeout == Duration{0} ? never : machine_.now() + timeout;
}

Instant Sockets::deadline(int timeout_ms) const {
  return timeout_ms < 0 ? never : machine_.now() + std::chrono::milliseconds(timeout_ms);
}

int Sockets::poll(std::span<pollfd> fds, int timeout_ms) {
  auto lock = machine_.lock();
  const auto count = [&] {
    int found = 0;
    for (pollfd& one : fds) {
      one.revents = 0;
      if (one.fd < 0) continue;
      File* file = find(one.fd);
      const std::uint32_t events = file == nullptr ? POLLNVAL : ready(one.fd, *file);
      const auto asked = static_cast<std::uint32_t>(one.events) | POLLERR | POLLHUP | POLLNVAL;
      one.revents = static_cast<short>(events & asked);
      found += one.revents != 0 ? 1 : 0;
    }
    return found;
  };
  if (count() == 0 && timeout_ms != 0) {
    machine_.wait(
        lock, [&] { return count() > 0; }, deadline(timeout_ms));
  }
  return count();
}

int Sockets::epoll_create(int size) {
  const auto lock = machine_.lock();
  if (size <= 0) return -EINVAL;
  File file;
  file.kind = Kind::epoll;
  return add(std::move(file));
}

int Sockets::epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  const auto lock = machine_.lock();
  File* instance = find(epoll);
  if (instance == nullptr || find(fd) == nullptr) return -EBADF;
  if (instance->kind != Kind::epoll || epoll == fd) return -EINVAL;
  const bool known = instance->watched.contains(fd);
  switch (operation) {
    case EPOLL_CTL_ADD:
      if (known) return -EEXIST;
      break;
    case EPOLL_CTL_MOD:
      if (!known) return -ENOENT;
      break;
    case EPOLL_CTL_DEL:
      return instance->watched.erase(fd) > 0 ? 0 : -ENOENT;
    default:
      return -EINVAL;
  }
  if (event == nullptr) return -EFAULT;
  instance->watched[fd] = {*event, 0};
  return 0;
}

std::vector<epoll_event> Sockets::epoll_ready(File& instance, std::size_t most) {
  std::vector<epoll_event> found;
  for (auto& [fd, watched] : instance.watched) {
    File* file = find(fd);
    if (file == nullptr || file->kind == Kind::epoll || found.size() == most) continue;
    const std::uint32_t asked = watched.event.events | EPOLLERR | EPOLLHUP;
    const std::uint32_t events = ready(fd, *file) & asked;
    const bool edge = (watched.event.events & EPOLLET) != 0;
    if (events == 0 || (edge && happened(*file) == watched.reported)) continue;
    epoll_event event = watched.event;
    event.events = events;
    found.push_back(event);
  }
  return found;
}

int Sockets::epoll_wait(int epoll, std::span<epoll_event> events, int timeout_ms) {
  auto lock = machine_.lock();
  File* instance = find(epoll, Kind::epoll);
  if (instance == nullptr) return -EBADF;
  if (events.empty()) return -EINVAL;
  const auto any = [&] {
    File* now = find(epoll);
    return now == nullptr || !epoll_ready(*now, 1).empty();
  };
  if (timeout_ms != 0 && !any()) machine_.wait(lock, any, deadline(timeout_ms));
  instance = find(epoll);
  if (instance == nullptr) return -EBADF;
  const auto found = epoll_ready(*instance, events.size());
  std::ranges::copy(found, events.begin());
  for (auto& [fd, watched] : instance->watched) {
    File* file = find(fd);
    if (file == nullptr) continue;
    const bool told = (ready(fd, *file) & watched.event.events) != 0;
    if (told) watched.reported = happened(*file);
    if (told && (watched.event.events & EPOLLONESHOT) != 0) watched.event.events = 0;
  }
  return static_cast<int>(found.size());
}

int Sockets::netdev_send(Bytes packet) {
  auto lock = machine_.lock();
  if (refuses_more(packet)) return 0;
  icmp_error_ = error_of_icmp(packet);
  const bool taken = machine_.take_packet(lock, packet);
  icmp_error_ = 0;
  for (auto& [fd, file] : files_) {
    if (file.kind == Kind::stream && file.name.valid()) file.peer_finished = finished(file);
  }
  return taken ? 0 : -EINVAL;
}

int Sockets::netdev_receive(void* buffer, std::size_t* count, long long* time_us) {
  auto lock = machine_.lock();
  const auto sent = machine_.next_packet(lock);
  if (sent && sent->packet.size() > *count) return -EMSGSIZE;
  const Instant at = sent ? sent->at : machine_.now();
  *time_us = epoch_s * 1'000'000 + at.time_since_epoch() / std::chrono::microseconds(1);
  *count = sent ? sent->packet.size() : 0;
  if (sent) std::memcpy(buffer, sent->packet.data(), sent->packet.size());
  return 0;
}

void Sockets::sleep(Duration by) {
  auto lock = machine_.lock();
  machine_.advance(lock, by);
}

// The tool spins until the time has come, as the system's goes on by itself: so does this one.
timeval Sockets::time() {
  auto lock = machine_.lock();
  machine_.advance(lock, std::chrono::microseconds(1));
  const std::int64_t us = machine_.now().time_since_epoch() / std::chrono::microseconds(1);
  return {epoch_s + us / 1'000'000, us % 1'000'000};
}

}  // namespace godwit::packetdrill
