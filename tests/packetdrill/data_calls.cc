// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/packetdrill/sockets.h"

namespace godwit::packetdrill {
namespace {

constexpr std::size_t pipe_size = 65536;
constexpr Duration answer_time = std::chrono::milliseconds(40);

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
  const std::size_t size = file.options.send_buffer();
  return info ? size - std::min<std::size_t>(size, info->queued) : 0;
}

bool Sockets::readable(File& file) {
  if (file.phase == Phase::listening) return !file.queue.empty();
  if (file.phase == Phase::connecting) return false;
  if (file.phase == Phase::closed || finished(file) || file.read_shut) return true;
  return unread(file) >= static_cast<std::size_t>(*file.options.get(SOL_SOCKET, SO_RCVLOWAT));
}

bool Sockets::writable(File& file) {
  if (file.phase == Phase::closed || file.write_shut) return true;
  const auto info = machine_.tcp().info(file.name);
  // A third of the buffer free, as the system has it.
  return file.phase == Phase::connected && info && room(file) > 0 &&
         room(file) >= info->queued / 2 && info->unsent < file.options.unsent_low();
}

ssize_t Sockets::receive_some(Machine::Lock& lock, int fd, MutableBytes out, int flags, bool wait) {
  File* file = find(fd);
  if (file == nullptr) return -EBADF;
  if (file->kind == Kind::epoll || file->kind == Kind::pipe_in) return -EINVAL;
  if (file->kind == Kind::stream) {
    if (file->phase == Phase::fresh || file->phase == Phase::listening) return -ENOTCONN;
    const auto low = static_cast<std::size_t>(*file->options.get(SOL_SOCKET, SO_RCVLOWAT));
    const std::size_t wanted = (flags & MSG_WAITALL) != 0
                                   ? out.size()
                                   : std::min(low, std::max<std::size_t>(out.size(), 1));
    const auto done = [&] {
      File* now = find(fd);
      if (now == nullptr || now->phase == Phase::closed || finished(*now)) return true;
      return now->read_shut || unread(*now) >= wanted;
    };
    if (wait && !done()) machine_.wait(lock, done, deadline(file->options.receive_timeout()));
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
  if ((flags & MSG_TRUNC) == 0) std::copy_n(file->bytes->begin(), size, out.begin());
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

// With TCP_INQ, how much is left comes along.
ssize_t Sockets::receive_message(int fd, msghdr& message, int flags) {
  const std::size_t room = message.msg_control == nullptr ? 0 : message.msg_controllen;
  message.msg_controllen = 0;
  message.msg_flags = 0;
  if ((flags & MSG_ERRQUEUE) != 0) return -EAGAIN;  // nothing is ever put there
  const ssize_t got = receive(fd, {message.msg_iov, message.msg_iovlen}, flags);
  const auto lock = machine_.lock();
  const File* file = find(fd, Kind::stream);
  if (got < 0 || file == nullptr || file->options.get(IPPROTO_TCP, TCP_INQ) != 1) return got;
  if (room < CMSG_SPACE(sizeof(int))) {
    message.msg_flags |= MSG_CTRUNC;
    return got;
  }
  message.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = IPPROTO_TCP;
  head->cmsg_type = TCP_CM_INQ;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  // As the system: one more says that there is a FIN behind it.
  const auto left = static_cast<int>(unread(*file) + (unread(*file) == 0 && finished(*file)));
  std::memcpy(CMSG_DATA(head), &left, sizeof left);
  return got;
}

// MSG_MORE is a cork for as long as writes have it.
void Sockets::hold_for_more(File& file, bool more) {
  if (file.more == more) return;
  file.more = more;
  auto tuning = machine_.tcp().tuning(file.name);
  tuning.cork = more || file.options.get(IPPROTO_TCP, TCP_CORK) != 0;
  machine_.tcp().tune(file.name, tuning);
}

// As much as there is room for, or everything when the call may block.
ssize_t Sockets::send_some(Machine::Lock& lock, int fd, Bytes bytes, int flags) {
  std::size_t sent = 0;
  const File* first = find(fd);
  const Instant until = first == nullptr ? never : deadline(first->options.send_timeout());
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
    // An answer to what has just come: acknowledgements may wait for the next one.
    const auto info = machine_.tcp().info(file->name);
    if (info && info->received > 0 && machine_.now() - info->last_heard < answer_time) {
      machine_.tcp().send_acks_at_once(file->name, false);
    }
    const std::size_t size = std::min(bytes.size() - sent, room(*file));
    const Bytes chunks[] = {bytes.subspan(sent, size)};
    hold_for_more(*file, (flags & MSG_MORE) != 0);
    if (size > 0) sent += machine_.tcp().send(file->name, chunks);
    machine_.turn();
    if (sent == bytes.size()) return static_cast<ssize_t>(sent);
    if (!wait) return sent > 0 ? static_cast<ssize_t>(sent) : -EAGAIN;
    const bool more = machine_.wait(
        lock,
        [&] {
          File* now = find(fd);
          return now == nullptr || writable(*now);
        },
        until);
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
