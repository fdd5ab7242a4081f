// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {
namespace {

constexpr std::size_t send_buffer = std::size_t{1} << 20;  // the stack's send_queue_max
constexpr std::size_t pipe_size = 65536;

}  // namespace

void Sockets::on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
  File* file = owner(name);
  std::deque<std::uint8_t>& bytes = file != nullptr ? *file->bytes : waiting_[name].bytes;
  bytes.insert(bytes.end(), lease.begin(), lease.end());
}

std::size_t Sockets::unread(const File& file) {
  const auto info = machine_.tcp().info(file.name);
  return file.bytes->size() + (info ? info->held : 0);
}

bool Sockets::finished(const File& file) {
  using State = dataplane::tcp::State;
  if (file.peer_finished) return true;
  const auto info = machine_.tcp().info(file.name);
  return info && (info->state == State::close_wait || info->state == State::closing ||
                  info->state == State::last_ack);
}

// The stack keeps what is not read, so that its window tells the peer; a read takes it over.
void Sockets::fetch(File& file, std::size_t wanted) {
  if (file.kind != Kind::stream || file.bytes->size() >= wanted) return;
  const auto info = machine_.tcp().info(file.name);
  if (!info || info->held == 0) return;
  machine_.tcp().resume_receive(file.name);
  machine_.turn();
  machine_.tcp().pause_receive(file.name);
}

std::size_t Sockets::room(const File& file) {
  if (file.kind == Kind::pipe_in) return pipe_size - std::min(pipe_size, file.bytes->size());
  const auto info = machine_.tcp().info(file.name);
  return info ? send_buffer - std::min<std::size_t>(send_buffer, info->queued) : 0;
}

bool Sockets::readable(File& file) {
  if (file.phase == Phase::listening) return !file.queue.empty();
  if (file.phase == Phase::connecting) return false;
  if (file.phase == Phase::closed || finished(file) || file.read_shut) return true;
  return unread(file) > 0;
}

bool Sockets::writable(File& file) {
  if (file.phase == Phase::closed || file.write_shut) return true;
  return file.phase == Phase::connected && room(file) > 0;
}

ssize_t Sockets::receive_some(Machine::Lock& lock, int fd, MutableBytes out, int flags, bool wait) {
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  if (file->kind == Kind::epoll || file->kind == Kind::pipe_in) return -EINVAL;
  if (file->kind == Kind::stream) {
    if (file->phase == Phase::fresh || file->phase == Phase::listening) return -ENOTCONN;
    const std::size_t wanted = (flags & MSG_WAITALL) != 0 ? out.size() : 1;
    const auto done = [&] {
      File* now = find(fd);
      if (now == nullptr || now->phase == Phase::closed || finished(*now)) return true;
      return now->read_shut || unread(*now) >= wanted;
    };
    if (wait && !done()) machine_.wait(lock, done);
    file = find(fd);
    if (file == nullptr) return -EBADF;
    fetch(*file, out.size());
    file->peer_finished = finished(*file);
  }
  const std::size_t size = std::min(out.size(), file->bytes->size());
  if (size == 0) {
    if (file->error != 0) return -take_error(*file);
    const bool ended = file->phase == Phase::closed || finished(*file) || file->read_shut;
    return out.empty() || ended ? 0 : -EAGAIN;
  }
  std::copy_n(file->bytes->begin(), size, out.begin());
  if ((flags & MSG_PEEK) == 0) {
    file->bytes->erase(file->bytes->begin(),
                       file->bytes->begin() + static_cast<std::ptrdiff_t>(size));
  }
  return static_cast<ssize_t>(size);
}

ssize_t Sockets::receive(int fd, std::span<const iovec> pieces, int flags) {
  auto lock = machine_.lock();
  const File* file = find(fd);
  if (file == nullptr) return -EBADF;
  std::size_t whole = 0;
  for (const iovec& piece : pieces) whole += piece.iov_len;
  std::vector<std::uint8_t> bytes(whole);
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  const ssize_t got = receive_some(lock, fd, bytes, flags, wait);
  std::size_t at = 0;
  for (const iovec& piece : pieces) {
    if (got <= 0 || at >= static_cast<std::size_t>(got)) break;
    const std::size_t size = std::min(piece.iov_len, static_cast<std::size_t>(got) - at);
    std::memcpy(piece.iov_base, bytes.data() + at, size);
    at += size;
  }
  machine_.turn();
  return got;
}

// As much as there is room for, or everything when the call may block.
ssize_t Sockets::send_some(Machine::Lock& lock, int fd, Bytes bytes, int flags) {
  std::size_t sent = 0;
  for (;;) {
    File* file = find(fd);
    if (file == nullptr) return -EBADF;
    const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
    if (file->kind != Kind::stream) return -EINVAL;
    if (file->phase == Phase::connecting) {
      if (!wait) return -EAGAIN;
      machine_.wait(lock,
                    [&] { return find(fd) == nullptr || find(fd)->phase != Phase::connecting; });
      if (find(fd) == nullptr || find(fd)->phase == Phase::connecting) return -EAGAIN;
      continue;
    }
    if (file->phase == Phase::fresh || file->phase == Phase::listening) return -EPIPE;
    if (file->error != 0 && sent == 0) return -take_error(*file);
    if (file->phase == Phase::closed || file->write_shut) {
      return sent > 0 ? static_cast<ssize_t>(sent) : -EPIPE;
    }
    const std::size_t size = std::min(bytes.size() - sent, room(*file));
    const Bytes chunks[] = {bytes.subspan(sent, size)};
    if (size > 0) sent += machine_.tcp().send(file->name, chunks);
    machine_.turn();
    if (sent == bytes.size()) return static_cast<ssize_t>(sent);
    if (!wait) return sent > 0 ? static_cast<ssize_t>(sent) : -EAGAIN;
    const bool more = machine_.wait(lock, [&] {
      File* now = find(fd);
      return now == nullptr || writable(*now);
    });
    if (!more) return sent > 0 ? static_cast<ssize_t>(sent) : -EAGAIN;
  }
}

ssize_t Sockets::send(int fd, std::span<const iovec> pieces, int flags) {
  auto lock = machine_.lock();
  std::vector<std::uint8_t> bytes;
  for (const iovec& piece : pieces) {
    const auto* data = static_cast<const std::uint8_t*>(piece.iov_base);
    bytes.insert(bytes.end(), data, data + piece.iov_len);
  }
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  if (file->kind != Kind::pipe_in) return send_some(lock, fd, bytes, flags);
  const std::size_t size = std::min(bytes.size(), room(*file));
  file->bytes->insert(file->bytes->end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(size));
  return size == 0 && !bytes.empty() ? -EAGAIN : static_cast<ssize_t>(size);
}

int Sockets::pipe(int fds[2]) {
  const auto lock = machine_.lock();
  File out;
  out.kind = Kind::pipe_out;
  out.phase = Phase::connected;
  File in = out;  // the same bytes
  in.kind = Kind::pipe_in;
  fds[0] = add(std::move(out));
  fds[1] = add(std::move(in));
  return 0;
}

ssize_t Sockets::splice(int in, int out, std::size_t size, unsigned flags) {
  auto lock = machine_.lock();
  File* from = find(in);
  File* to = find(out);
  if (from == nullptr || to == nullptr) return -EBADF;
  if (from->kind != Kind::pipe_out && to->kind != Kind::pipe_in) return -EINVAL;
  const bool wait = (flags & SPLICE_F_NONBLOCK) == 0 && !from->nonblocking;
  std::vector<std::uint8_t> bytes(std::min({size, pipe_size, room(*to)}));
  if (bytes.empty()) return -EAGAIN;
  const ssize_t got = receive_some(lock, in, bytes, 0, wait);
  if (got <= 0) return got;
  bytes.resize(static_cast<std::size_t>(got));
  to = find(out);
  if (to == nullptr) return -EBADF;
  if (to->kind != Kind::pipe_in) return send_some(lock, out, bytes, 0);
  to->bytes->insert(to->bytes->end(), bytes.begin(), bytes.end());
  return got;
}

}  // namespace godwit::packetdrill
