// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/socket_options.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

namespace godwit::packetdrill {
namespace {

constexpr int any_max = std::numeric_limits<int>::max();
constexpr int any_min = std::numeric_limits<int>::min();
constexpr int send_buffer_min = 4608;
constexpr std::size_t send_buffer_large = std::size_t{128} * 1024;
constexpr int receive_buffer_min = 2304;
constexpr std::size_t send_buffer_default = std::size_t{1} << 20;  // the stack's send_queue_max
constexpr int receive_window_most = 65535 << 8;

// An option that is a number: what may be set, and what it is before.
struct Rule {
  int level;
  int name;
  int least;
  int most;
  int before;
};

constexpr Rule rules[] = {
    {SOL_SOCKET, SO_REUSEADDR, any_min, any_max, 0},
    {SOL_SOCKET, SO_REUSEPORT, any_min, any_max, 0},
    {SOL_SOCKET, SO_KEEPALIVE, any_min, any_max, 0},
    {SOL_SOCKET, SO_SNDBUF, any_min, any_max, 87040},
    {SOL_SOCKET, SO_SNDBUFFORCE, any_min, any_max, 87040},
    {SOL_SOCKET, SO_RCVBUF, any_min, any_max, 131072},
    {SOL_SOCKET, SO_RCVBUFFORCE, any_min, any_max, 131072},
    {SOL_SOCKET, SO_RCVLOWAT, any_min, any_max, 1},
    {IPPROTO_TCP, TCP_NODELAY, any_min, any_max, 0},
    {IPPROTO_TCP, TCP_CORK, any_min, any_max, 0},
    {IPPROTO_TCP, TCP_QUICKACK, any_min, any_max, 1},
    {IPPROTO_TCP, TCP_MAXSEG, 0, 32767, 536},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 127, 9},
    {IPPROTO_TCP, TCP_SYNCNT, 1, 127, 6},
    {IPPROTO_TCP, TCP_LINGER2, any_min, any_max, 60},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, any_min, any_max, 0},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, any_max, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, any_max, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, any_min, any_max, 0},
    {IPPROTO_TCP, TCP_INQ, 0, 1, 0},
};

const Rule* rule_of(int level, int name) {
  const auto* found = std::ranges::find_if(
      rules, [&](const Rule& rule) { return rule.level == level && rule.name == name; });
  return found == std::end(rules) ? nullptr : found;
}

std::optional<Duration> read_time(const void* value, socklen_t size) {
  timeval time{};
  if (size < sizeof time) return std::nullopt;
  std::memcpy(&time, value, sizeof time);
  if (time.tv_usec < 0 || time.tv_usec >= 1'000'000) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// The system doubles what it is told, between a least and a most.
int buffer_told(int wanted, int least) {
  return std::max(std::clamp(wanted, 0, any_max / 2) * 2, least);
}

}  // namespace

int SocketOptions::number(int level, int name) const {
  if (const auto found = numbers_.find({level, name}); found != numbers_.end()) {
    return found->second;
  }
  const Rule* rule = rule_of(level, name);
  return rule == nullptr ? 0 : rule->before;
}

int SocketOptions::set(int level, int name, const void* value, socklen_t size) {
  if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6) {
    return -ENOPROTOOPT;
  }
  if (value == nullptr) return -EFAULT;
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const char* text = static_cast<const char*>(value);
    const std::string wanted(text, ::strnlen(text, size));
    if (wanted != "cubic" && wanted != "reno") return wanted.empty() ? -EINVAL : -ENOENT;
    congestion = wanted;
    return 0;
  }
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (size < sizeof lingering) return -EINVAL;
    std::memcpy(&lingering, value, sizeof lingering);
    return 0;
  }
  if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
    const auto time = read_time(value, size);
    if (!time) return size < sizeof(timeval) ? -EINVAL : -EDOM;
    (name == SO_RCVTIMEO ? receive_timeout_ : send_timeout_) = *time;
    return 0;
  }
  if (size < sizeof(int)) return -EINVAL;
  int wanted = 0;
  std::memcpy(&wanted, value, sizeof wanted);
  const Rule* rule = rule_of(level, name);
  if (rule != nullptr && (wanted < rule->least || wanted > rule->most)) return -EINVAL;
  if (level == IPPROTO_TCP && name == TCP_MAXSEG && wanted != 0 && wanted < 88) return -EINVAL;
  if (level == SOL_SOCKET && name == SO_SNDBUFFORCE) name = SO_SNDBUF;
  if (level == SOL_SOCKET && name == SO_RCVBUFFORCE) name = SO_RCVBUF;
  if (level == SOL_SOCKET && name == SO_SNDBUF) wanted = buffer_told(wanted, send_buffer_min);
  if (level == SOL_SOCKET && name == SO_RCVBUF) wanted = buffer_told(wanted, receive_buffer_min);
  if (level == SOL_SOCKET && name == SO_RCVLOWAT) wanted = wanted <= 0 ? 1 : wanted;
  numbers_[{level, name}] = wanted;
  return 0;
}

std::optional<int> SocketOptions::get(int level, int name) const {
  if (rule_of(level, name) != nullptr || numbers_.contains({level, name})) {
    return number(level, name);
  }
  const bool known = level == SOL_SOCKET || level == IPPROTO_IP || level == IPPROTO_IPV6;
  return known ? std::optional(0) : std::nullopt;  // as it is before somebody sets it
}

dataplane::tcp::Tuning SocketOptions::tuning(dataplane::tcp::Tuning base) const {
  using std::chrono::seconds;
  if (number(SOL_SOCKET, SO_KEEPALIVE) != 0) {
    base.keepalive_idle = seconds(number(IPPROTO_TCP, TCP_KEEPIDLE));
    base.keepalive_interval = seconds(number(IPPROTO_TCP, TCP_KEEPINTVL));
    base.keepalive_probes = static_cast<std::uint8_t>(number(IPPROTO_TCP, TCP_KEEPCNT));
  }
  base.user_timeout = std::chrono::milliseconds(number(IPPROTO_TCP, TCP_USER_TIMEOUT));
  base.nagle = number(IPPROTO_TCP, TCP_NODELAY) == 0;
  base.cork = number(IPPROTO_TCP, TCP_CORK) != 0;
  base.reno = congestion == "reno";
  const auto set_here = [&](int level, int name) { return numbers_.contains({level, name}); };
  if (set_here(IPPROTO_TCP, TCP_MAXSEG) && number(IPPROTO_TCP, TCP_MAXSEG) != 0) {
    base.mss_max = static_cast<std::uint16_t>(number(IPPROTO_TCP, TCP_MAXSEG));
  }
  // A buffer of the user's own size does not grow.
  if (set_here(SOL_SOCKET, SO_RCVBUF)) {
    base.receive_window = base.receive_window_max = static_cast<std::uint32_t>(
        std::min(number(SOL_SOCKET, SO_RCVBUF) / 2, receive_window_most));
  }
  if (const int clamp = number(IPPROTO_TCP, TCP_WINDOW_CLAMP); clamp != 0) {
    const auto most = static_cast<std::uint32_t>(std::max(clamp, receive_buffer_min / 2));
    base.receive_window = std::min(base.receive_window, most);
    base.receive_window_max = std::min(base.receive_window_max, most);
  }
  return base;
}

Duration SocketOptions::syn_patience() const {
  if (!numbers_.contains({IPPROTO_TCP, TCP_SYNCNT})) return Duration{0};
  constexpr int retries_most = 16;
  const int retries = std::min(number(IPPROTO_TCP, TCP_SYNCNT), retries_most);
  return std::chrono::seconds((2 << retries) - 1);  // 1, 2, 4 ... s after each
}

std::size_t SocketOptions::send_buffer() const {
  if (!numbers_.contains({SOL_SOCKET, SO_SNDBUF})) return send_buffer_default;
  const auto told = static_cast<std::size_t>(number(SOL_SOCKET, SO_SNDBUF));
  // In a large one little is lost to headers.
  return std::min(told < send_buffer_large ? told / 2 : told, send_buffer_default);
}

std::size_t SocketOptions::unsent_low() const {
  const int low = number(IPPROTO_TCP, TCP_NOTSENT_LOWAT);
  return low <= 0 ? send_buffer_default : static_cast<std::size_t>(low);
}

}  // namespace godwit::packetdrill
