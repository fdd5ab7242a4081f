// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {

using dataplane::io::CloseMode;
using dataplane::io::CloseReason;

namespace {

constexpr unsigned long bytes_not_sent = 0x894b;  // SIOCOUTQNSD

}  // namespace

std::optional<Address> read_address(const sockaddr* address, socklen_t size) {
  Address read;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> four;
    std::memcpy(four.data(), &v4.sin_addr, 4);
    if (v4.sin_addr.s_addr != INADDR_ANY) read.ip = IpAddress::v4(four);
    read.port = ntohs(v4.sin_port);
    return read;
  }
  if (address->sa_family != AF_INET6 || size < sizeof(sockaddr_in6)) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof v6);
  std::memcpy(read.ip.bytes.data(), &v6.sin6_addr, 16);
  read.port = ntohs(v6.sin6_port);
  return read;
}

void write_address(const Address& from, bool v6, sockaddr* address, socklen_t* size) {
  if (address == nullptr || size == nullptr) return;
  sockaddr_storage storage{};
  socklen_t whole = sizeof(sockaddr_in6);
  if (v6) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(from.port);
    std::memcpy(&six.sin6_addr, from.ip.bytes.data(), 16);
    std::memcpy(&storage, &six, sizeof six);
  } else {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(from.port);
    std::memcpy(&four.sin_addr, from.ip.bytes.data() + 12, 4);
    whole = sizeof four;
    std::memcpy(&storage, &four, sizeof four);
  }
  std::memcpy(address, &storage, std::min(*size, whole));
  *size = whole;
}

Sockets::File* Sockets::find(int fd) {
  const auto found = files_.find(fd);
  return found == files_.end() ? nullptr : &found->second;
}

Sockets::File* Sockets::find(int fd, Kind kind) {
  File* file = find(fd);
  return file != nullptr && file->kind == kind ? file : nullptr;
}

Sockets::File* Sockets::owner(ConnectionName name) {
  for (auto& [fd, file] : files_) {
    if (file.kind == Kind::stream && file.name == name) return &file;
  }
  return nullptr;
}

Sockets::~Sockets() {
  for (const auto& [fd, file] : files_) descriptors_.give_back(fd);
}

// -EMFILE when the process may open no more.
int Sockets::add(File file) {
  const int fd = descriptors_.take();
  if (fd >= 0) files_.insert_or_assign(fd, std::move(file));
  return fd;
}

int Sockets::socket(int domain, int type, int protocol) {
  const auto lock = machine_.lock();
  if (domain != AF_INET && domain != AF_INET6) return -EAFNOSUPPORT;
  if ((type & 0xf) != SOCK_STREAM) return -EPROTONOSUPPORT;
  if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
  File file;
  file.v6 = domain == AF_INET6;
  file.nonblocking = (type & SOCK_NONBLOCK) != 0;
  return add(std::move(file));
}

int Sockets::bind(int fd, const sockaddr* address, socklen_t size) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  const auto read = read_address(address, size);
  if (!read || file->phase != Phase::fresh || file->port != 0) return -EINVAL;
  file->bound = read->ip;
  file->port = read->port;
  return 0;
}

int Sockets::listen(int fd, int backlog) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  file->backlog = static_cast<std::size_t>(std::clamp(backlog < 0 ? 4096 : backlog, 0, 4096));
  if (file->phase == Phase::listening) return 0;
  if (file->phase != Phase::fresh && file->phase != Phase::closed) return -EINVAL;
  const auto port = machine_.tcp().listen(file->bound, file->port);
  if (!port) return -EADDRINUSE;
  file->port = *port;
  file->phase = Phase::listening;
  apply_options(*file);
  return 0;
}

Sockets::File* Sockets::listener_of(ConnectionName name) {
  const auto flow = machine_.tcp().flow_of(name);
  for (auto& [fd, file] : files_) {
    if (file.phase != Phase::listening || file.port != flow.local_port) continue;
    if (!file.bound.known() || file.bound == flow.local) return &file;
  }
  return nullptr;
}

void Sockets::on_open(ConnectionName name, bool connected) {
  if (File* file = owner(name); connected && file != nullptr) {
    file->phase = Phase::connected;
    file->open_untold = true;
    apply_options(*file);  // without what was only for the SYN
    return;
  }
  File* listener = listener_of(name);
  if (listener == nullptr) return machine_.tcp().close(name, CloseMode::abort);
  waiting_[name] = {};
  // What is not read closes the window, so that the stack keeps it.
  machine_.tcp().pause_receive(name);
  listener->queue.push_back(name);
  ++listener->accepted;
}

bool Sockets::take_accepted(File& listener, File& accepted) {
  if (listener.queue.empty()) return false;
  accepted.name = listener.queue.front();
  listener.queue.pop_front();
  Waiting waiting = std::move(waiting_[accepted.name]);
  waiting_.erase(accepted.name);
  *accepted.bytes = std::move(waiting.bytes);
  accepted.peer_finished = waiting.peer_finished;
  accepted.phase = waiting.error ? Phase::closed : Phase::connected;
  accepted.error = waiting.error.value_or(0);
  accepted.options = listener.options;
  accepted.v6 = listener.v6;
  accepted.port = listener.port;
  return true;
}

int Sockets::accept(int fd, sockaddr* address, socklen_t* size) {
  auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  if (file->phase != Phase::listening) return -EINVAL;
  if (!file->nonblocking) {
    machine_.wait(lock, [&] { return find(fd) == nullptr || !find(fd)->queue.empty(); });
  }
  file = find(fd);
  File accepted;
  if (file == nullptr || !take_accepted(*file, accepted)) return -EAGAIN;
  const auto flow = machine_.tcp().flow_of(accepted.name);
  write_address({flow.remote, flow.remote_port}, accepted.v6, address, size);
  return add(std::move(accepted));
}

int Sockets::connect(int fd, const sockaddr* address, socklen_t size) {
  auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  if (address->sa_family == AF_UNSPEC) return disconnect(*file);
  if (file->phase == Phase::connecting) return -EALREADY;
  if (file->phase == Phase::connected) {
    return std::exchange(file->open_untold, false) ? 0 : -EISCONN;
  }
  if (file->phase == Phase::closed && file->error != 0) return -take_error(*file);
  const auto read = read_address(address, size);
  if (!read || file->phase == Phase::listening) return -EINVAL;
  const bool v4 = read->ip.is_v4();
  const IpAddress local = file->bound.known() ? file->bound : machine_.local(v4);
  if (local.is_v4() != v4) return -EADDRNOTAVAIL;
  auto tuning = file->options.tuning(machine_.default_tuning());
  if (tuning.user_timeout == Duration{0}) tuning.user_timeout = file->options.syn_patience();
  const auto name = machine_.tcp().connect({local, read->ip, file->port, read->port}, tuning);
  if (!name) return -EADDRNOTAVAIL;
  file->name = *name;
  file->phase = Phase::connecting;
  machine_.tcp().pause_receive(*name);
  machine_.turn();
  if (file->nonblocking) return -EINPROGRESS;
  machine_.wait(lock, [&] { return find(fd) == nullptr || find(fd)->phase != Phase::connecting; });
  file = find(fd);
  return file == nullptr ? -EBADF : finish_connect(*file);
}

int Sockets::finish_connect(File& file) {
  if (file.phase == Phase::connected) {
    file.open_untold = false;
    return 0;
  }
  if (file.phase == Phase::connecting) return -ETIMEDOUT;
  return -take_error(file);
}

// A socket that may connect or listen again. Its peer is told with a reset.
int Sockets::disconnect(File& file) {
  if (file.phase == Phase::listening) return -EINVAL;
  if (file.name.valid()) machine_.tcp().close(file.name, CloseMode::abort);
  File fresh;
  fresh.v6 = file.v6;
  fresh.nonblocking = file.nonblocking;
  fresh.options = file.options;
  file = std::move(fresh);
  machine_.turn();
  return 0;
}

int Sockets::take_error(File& file) {
  const int error = file.error;
  file.error = 0;
  return error;
}

void Sockets::on_closed(ConnectionName name, std::uint64_t, CloseReason reason) {
  int error = 0;
  if (reason == CloseReason::failed) error = machine_.in_packet() ? ECONNREFUSED : ETIMEDOUT;
  if (reason == CloseReason::failed && icmp_error_ != 0) error = icmp_error_;
  if (reason == CloseReason::reset) error = machine_.in_packet() ? ECONNRESET : ETIMEDOUT;
  if (File* file = owner(name)) {
    file->error = error == ECONNRESET && file->peer_finished ? EPIPE : error;  // as Linux does
    file->phase = Phase::closed;
    if (error == 0) file->peer_finished = true;
  } else if (const auto found = waiting_.find(name); found != waiting_.end()) {
    found->second.error = error;
  }
}

void Sockets::on_peer_finished(ConnectionName name, std::uint64_t) {
  if (File* file = owner(name)) {
    file->peer_finished = true;
  } else if (const auto found = waiting_.find(name); found != waiting_.end()) {
    found->second.peer_finished = true;
  }
}

// Bytes that nobody has read are lost with a close, and a reset says so (RFC 9293, 3.6.1). One that
// lingers waits until the peer has everything.
int Sockets::close(int fd) {
  auto lock = machine_.lock();
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  ConnectionName closed;
  Duration wait{0};
  if (file->kind == Kind::stream) {
    if (file->phase == Phase::listening) {
      machine_.tcp().stop_listening(file->bound, file->port);
      for (const ConnectionName name : file->queue) machine_.tcp().close(name, CloseMode::abort);
    } else if (file->name.valid()) {
      const linger& lingering = file->options.lingering;
      const bool at_once = lingering.l_onoff != 0 && lingering.l_linger == 0;
      if (lingering.l_onoff != 0) wait = std::chrono::seconds(lingering.l_linger);
      closed = file->name;
      const bool lost = unread(*file) > 0 && !file->read_shut;
      machine_.tcp().close(file->name, at_once || lost ? CloseMode::abort : CloseMode::graceful);
    }
  }
  files_.erase(fd);
  descriptors_.give_back(fd);
  for (auto& [other, watcher] : files_) watcher.watched.erase(fd);
  machine_.turn();
  if (wait > Duration{0}) {
    using State = dataplane::tcp::State;
    machine_.wait(
        lock,
        [&] {
          const auto info = machine_.tcp().info(closed);
          return !info || info->state == State::fin_wait_2;
        },
        machine_.now() + wait);
  }
  return 0;
}

int Sockets::shutdown(int fd, int how) {
  const auto lock = machine_.lock();
  File* file = find(fd, Kind::stream);
  if (file == nullptr) return -EBADF;
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if (file->phase == Phase::listening && how != SHUT_WR) {
    machine_.tcp().stop_listening(file->bound, file->port);
    for (const ConnectionName name : std::exchange(file->queue, {})) {
      machine_.tcp().close(name, CloseMode::abort);
      waiting_.erase(name);
    }
    file->phase = Phase::closed;
    machine_.turn();
    return 0;
  }
  if (file->phase != Phase::connected && file->phase != Phase::connecting) return -ENOTCONN;
  if (how != SHUT_WR) file->read_shut = true;
  if (how != SHUT_RD && !file->write_shut) {
    file->write_shut = true;
    machine_.tcp().shutdown_send(file->name);
  }
  machine_.turn();
  return 0;
}

int Sockets::fcntl(int fd, int command, long argument) {
  const auto lock = machine_.lock();
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  switch (command) {
    case F_GETFL:
      return O_RDWR | (file->nonblocking ? O_NONBLOCK : 0);
    case F_SETFL:
      file->nonblocking = (argument & O_NONBLOCK) != 0;
      return 0;
    case F_GETFD:
    case F_SETFD:
      return 0;
    default:
      return -EINVAL;
  }
}

int Sockets::ioctl(int fd, unsigned long request, void* argument) {
  const auto lock = machine_.lock();
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  int value = 0;
  const auto info = machine_.tcp().info(file->name);
  if (file->phase == Phase::listening && request != FIONBIO) return -EINVAL;
  if (request == FIONREAD) {
    value = static_cast<int>(unread(*file));
  } else if (request == TIOCOUTQ) {
    value = info ? static_cast<int>(info->queued) : 0;
  } else if (request == bytes_not_sent) {
    value = info ? static_cast<int>(info->unsent) : 0;
  } else if (request == FIONBIO) {
    std::memcpy(&value, argument, sizeof value);
    file->nonblocking = value != 0;
    return 0;
  } else {
    return -ENOTTY;
  }
  std::memcpy(argument, &value, sizeof value);
  return 0;
}

}  // namespace godwit::packetdrill
