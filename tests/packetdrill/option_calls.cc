// SPDX-License-Identifier: Apache-2.0
#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {
namespace {

using State = dataplane::tcp::State;

std::vector<std::uint8_t> number(int value) {
  std::vector<std::uint8_t> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::uint8_t kernel_state(State state) {
  switch (state) {
    case State::syn_sent:
      return 2;
    case State::syn_received:
      return 3;
    case State::established:
      return 1;
    case State::fin_wait_1:
      return 4;
    case State::fin_wait_2:
      return 5;
    case State::close_wait:
      return 8;
    case State::closing:
      return 11;
    case State::last_ack:
      return 9;
    default:
      return 7;
  }
}

std::uint32_t microseconds(Duration time) {
  return static_cast<std::uint32_t>(time / std::chrono::microseconds(1));
}

}  // namespace

std::vector<std::uint8_t> Sockets::tcp_info(const File& file) {
  ::tcp_info out{};
  out.tcpi_state = file.phase == Phase::listening ? 10 : 7;
  if (const auto info = machine_.tcp().info(file.name)) {
    const std::uint32_t mss = std::max<std::uint32_t>(info->mss, 1);
    out.tcpi_state = kernel_state(info->state);
    out.tcpi_options = static_cast<std::uint8_t>(
        (info->timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (info->sack ? TCPI_OPT_SACK : 0) |
        (info->scaling ? TCPI_OPT_WSCALE : 0) | (info->ecn ? TCPI_OPT_ECN : 0));
    out.tcpi_rto = microseconds(info->timeout);
    out.tcpi_snd_mss = info->mss;
    out.tcpi_rtt = microseconds(info->rtt);
    out.tcpi_snd_cwnd = info->congestion_window / mss;
    out.tcpi_snd_ssthresh = info->slow_start_threshold / mss;
    out.tcpi_unacked = (info->in_flight + mss - 1) / mss;
    out.tcpi_notsent_bytes = info->queued - std::min(info->queued, info->in_flight);
  }
  std::vector<std::uint8_t> bytes(sizeof out);
  std::memcpy(bytes.data(), &out, sizeof out);
  return bytes;
}

int Sockets::getsockopt(int fd, int level, int name, void* value, socklen_t* size) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  const auto info = machine_.tcp().info(file->name);
  std::vector<std::uint8_t> bytes;
  if (level == SOL_SOCKET && name == SO_ERROR) {
    bytes = number(take_error(*file));
  } else if (level == SOL_SOCKET && name == SO_TYPE) {
    bytes = number(SOCK_STREAM);
  } else if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    bytes = number(file->phase == Phase::listening ? 1 : 0);
  } else if (level == IPPROTO_TCP && name == TCP_INFO) {
    bytes = tcp_info(*file);
  } else if (level == IPPROTO_TCP && name == TCP_MAXSEG && info) {
    bytes = number(info->mss);
  } else if (const auto found = file->options.find({level, name}); found != file->options.end()) {
    bytes = found->second;
  } else if (level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
             level == IPPROTO_IPV6) {
    bytes = number(0);  // as it is before somebody sets it
  } else {
    return -ENOPROTOOPT;
  }
  const std::size_t written = std::min<std::size_t>(*size, bytes.size());
  std::memcpy(value, bytes.data(), written);
  *size = static_cast<socklen_t>(written);
  return 0;
}

int Sockets::setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6) {
    return -ENOPROTOOPT;
  }
  if (value == nullptr) return -EFAULT;
  const auto* bytes = static_cast<const std::uint8_t*>(value);
  file->options[{level, name}].assign(bytes, bytes + size);
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (size < sizeof file->lingering) return -EINVAL;
    std::memcpy(&file->lingering, value, sizeof file->lingering);
  }
  int number = 0;
  std::memcpy(&number, value, std::min<std::size_t>(size, sizeof number));
  if (level == IPPROTO_TCP && name == TCP_NODELAY && file->name.valid()) {
    machine_.tcp().set_nagle(file->name, number == 0);
    machine_.turn();
  }
  return 0;
}

}  // namespace godwit::packetdrill
