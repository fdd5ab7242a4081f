// SPDX-License-Identifier: Apache-2.0
#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {
namespace {

std::vector<std::uint8_t> bytes_of(const void* value, std::size_t size) {
  const auto* first = static_cast<const std::uint8_t*>(value);
  return {first, first + size};
}

std::vector<std::uint8_t> number(int value) {
  return bytes_of(&value, sizeof value);
}

std::vector<std::uint8_t> time_of(Duration duration) {
  const auto us = duration / std::chrono::microseconds(1);
  const timeval value{us / 1'000'000, us % 1'000'000};
  return bytes_of(&value, sizeof value);
}

}  // namespace

std::optional<std::vector<std::uint8_t>> Sockets::option(File& file, int level, int name) {
  const auto info = machine_.tcp().info(file.name);
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_ERROR:
        return number(take_error(file));
      case SO_TYPE:
        return number(SOCK_STREAM);
      case SO_PROTOCOL:
        return number(IPPROTO_TCP);
      case SO_DOMAIN:
        return number(file.v6 ? AF_INET6 : AF_INET);
      case SO_ACCEPTCONN:
        return number(file.phase == Phase::listening ? 1 : 0);
      case SO_LINGER:
        return bytes_of(&file.options.lingering, sizeof file.options.lingering);
      case SO_RCVTIMEO:
        return time_of(file.options.receive_timeout());
      case SO_SNDTIMEO:
        return time_of(file.options.send_timeout());
      default:
        break;
    }
  }
  if (level == IPPROTO_TCP) {
    constexpr std::size_t name_size = 16;  // TCP_CA_NAME_MAX
    std::string congestion = file.options.congestion;
    congestion.resize(name_size);
    switch (name) {
      case TCP_INFO:
        return tcp_info(file);
      case TCP_CONGESTION:
        return bytes_of(congestion.data(), congestion.size());
      case TCP_MAXSEG:
        if (info) return number(info->mss);
        break;
      case TCP_QUICKACK:
        if (info) return number(info->quick_acks ? 1 : 0);
        break;
      default:
        break;
    }
  }
  if (const auto value = file.options.get(level, name)) return number(*value);
  return std::nullopt;
}

int Sockets::getsockopt(int fd, int level, int name, void* value, socklen_t* size) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return find(fd) == nullptr ? -EBADF : -ENOTSOCK;
  if (value == nullptr || size == nullptr) return -EFAULT;
  const auto bytes = option(*file, level, name);
  if (!bytes) return -ENOPROTOOPT;
  const std::size_t written = std::min<std::size_t>(*size, bytes->size());
  std::memcpy(value, bytes->data(), written);
  *size = static_cast<socklen_t>(written);
  return 0;
}

void Sockets::apply_options(File& file) {
  const auto tuning = file.options.tuning(machine_.default_tuning());
  if (file.phase == Phase::listening) {
    machine_.tcp().tune_listener(file.bound, file.port, tuning);
  } else if (file.name.valid()) {
    machine_.tcp().tune(file.name, tuning);
  }
}

// What a cork holds back leaves; it goes on to hold what comes.
void Sockets::push_held(File& file) {
  if (file.options.get(IPPROTO_TCP, TCP_NODELAY) == 0 || !file.name.valid()) return;
  auto tuning = machine_.tcp().tuning(file.name);
  tuning.cork = false;
  tuning.nagle = false;
  machine_.tcp().tune(file.name, tuning);
  machine_.turn();
}

int Sockets::setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return find(fd) == nullptr ? -EBADF : -ENOTSOCK;
  if (const int refused = file->options.set(level, name, value, size); refused != 0) return refused;
  file->more = false;  // whatever it is, what was held back for more is looked at anew
  if (level == IPPROTO_TCP && name == TCP_NODELAY) push_held(*file);
  apply_options(*file);
  if (level == IPPROTO_TCP && name == TCP_QUICKACK) {
    machine_.tcp().send_acks_at_once(file->name, file->options.get(level, name) != 0);
  }
  machine_.turn();
  return 0;
}

}  // namespace godwit::packetdrill
