// SPDX-License-Identifier: Apache-2.0
#include "bench/generator/load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace godwit::bench {

namespace {

constexpr std::size_t handshakes_at_once = 256;
constexpr auto patience = std::chrono::seconds(10);

}  // namespace

Load::Load(Options options) : options_(std::move(options)) {
  members_.resize(options_.count);
}

Result<std::unique_ptr<Load>> Load::create(Options options) {
  if (options.count % 2 != 0) return fail(ErrorCode::invalid, "a load takes pairs of clients");
  std::unique_ptr<Load> load(new Load(std::move(options)));
  auto ring = Ring::create({.descriptors = static_cast<std::uint32_t>(load->members_.size())});
  if (!ring) return std::unexpected(ring.error());
  load->ring_ = std::move(*ring);
  return load;
}

Result<void> Load::connect_one(std::uint32_t slot) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return fail(ErrorCode::io, std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(options_.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      !ring_->adopt(slot, descriptor)) {
    return fail(ErrorCode::io, std::string("connect: ") + std::strerror(errno));
  }
  members_[slot].client = options_.make_client(slot);
  count_ready(members_[slot]);
  ring_->receive(slot);
  mark_dirty(slot);
  return {};
}

void Load::count_ready(Member& member) {
  if (member.counted || !member.client->ready()) return;
  member.counted = true;
  ++ready_;
}

Result<void> Load::connect_until(std::size_t count) {
  Instant last_progress = now_ = monotonic_now();
  std::size_t before = ready_;
  while (ready_ < count) {
    while (connected_ < count && connected_ - ready_ < handshakes_at_once) {
      const auto slot = static_cast<std::uint32_t>(connected_++);
      if (auto done = connect_one(slot); !done) return done;
    }
    if (auto done = turn(std::chrono::milliseconds(5)); !done) return done;
    if (ready_ != before) last_progress = now_;
    before = ready_;
    if (now_ - last_progress > patience) {
      return fail(ErrorCode::unavailable, "no login succeeds any more");
    }
  }
  return {};
}

void Load::start(unsigned window) {
  running_ = true;
  for (std::uint32_t slot = 0; slot < members_.size(); ++slot) {
    members_[slot].credits = window;
    mark_dirty(slot);
  }
}

Result<void> Load::run_for(Duration time) {
  now_ = monotonic_now();
  const Instant start = now_;
  const std::uint64_t before = counters_.delivered;
  const auto starved = [&] { return running_ && counters_.delivered == before; };
  while (now_ - start < time || starved()) {
    if (auto done = turn(options_.batch_wait); !done) return done;
    if (starved() && now_ - start > time + patience) {
      return fail(ErrorCode::unavailable, "no message arrives any more");
    }
  }
  return {};
}

Result<void> Load::stop() {
  running_ = false;
  for (Member& member : members_) member.credits = 0;
  const Instant end = monotonic_now() + patience;
  while (!quiet()) {
    if (auto done = turn(std::chrono::milliseconds(1)); !done) return done;
    if (now_ > end) {
      return fail(ErrorCode::unavailable, std::to_string(counters_.sent - counters_.delivered) +
                                              " messages never arrived, or are not acknowledged");
    }
  }
  return {};
}

bool Load::quiet() const {
  if (counters_.sent != counters_.delivered || !ack_timers_.empty() || !dirty_.empty())
    return false;
  for (const Member& member : members_) {
    if (!member.sending.empty() || !member.client->settled()) return false;
  }
  return true;
}

Result<void> Load::turn(Duration wait) {
  flush();
  ring_->enter(options_.batch, wait);
  now_ = monotonic_now();
  ring_->drain([&](Tag tag, const io_uring_cqe& cqe) { on_completion(tag, cqe); });
  for (const std::uint32_t slot : starved_) ring_->receive(slot);
  starved_.clear();
  expire_acks();
  ++counters_.turns;
  if (!error_.empty()) return fail(ErrorCode::corrupt, error_);
  return {};
}

void Load::on_completion(Tag tag, const io_uring_cqe& cqe) {
  Member& member = members_[tag.slot];
  if (tag.operation == Operation::send) {
    if (cqe.res < 0 || std::cmp_not_equal(cqe.res, member.sending.size())) {
      return give_up(tag.slot, "a send failed");
    }
    member.sending.clear();
    if (member.credits > 0 || member.ack_now || !member.client->output().empty()) {
      mark_dirty(tag.slot);
    }
    return;
  }
  if (tag.operation != Operation::receive) return;
  if (cqe.res > 0) on_bytes(tag.slot, ring_->received(cqe));
  ring_->recycle(cqe);
  if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
  if (cqe.res > 0 || cqe.res == -ENOBUFS) return starved_.push_back(tag.slot);
  give_up(tag.slot, "the server closed the connection");
}

void Load::on_bytes(std::uint32_t slot, MutableBytes bytes) {
  Member& member = members_[slot];
  counters_.bytes_in += bytes.size();
  const auto messages = member.client->on_bytes(bytes);
  if (!messages) return give_up(slot, messages.error().message);
  if (!member.client->output().empty()) mark_dirty(slot);
  if (*messages == 0) {
    count_ready(member);
    return;
  }
  counters_.delivered += *messages;
  ack_timers_.push_back({now_ + options_.ack_delay, slot, member.client->frames_sent()});
  if (!running_) return;
  const std::uint32_t next = options_.pacing == Pacing::reply ? slot : slot ^ 1;
  members_[next].credits += *messages;
  mark_dirty(next);
}

void Load::mark_dirty(std::uint32_t slot) {
  if (std::exchange(members_[slot].dirty, true)) return;
  dirty_.push_back(slot);
}

void Load::flush() {
  for (const std::uint32_t slot : dirty_) start_send(slot);
  dirty_.clear();
}

void Load::start_send(std::uint32_t slot) {
  Member& member = members_[slot];
  member.dirty = false;
  if (!member.sending.empty()) return;  // its completion marks it again
  const unsigned messages = std::exchange(member.credits, 0);
  const bool ack_now = std::exchange(member.ack_now, false);
  if (messages > 0 || ack_now) {
    member.client->write(messages);
    counters_.sent += messages;
    ++counters_.frames_out;
    if (messages == 0) ++counters_.ack_frames_out;
  }
  if (member.client->output().empty()) return;
  member.sending.swap(member.client->output());
  counters_.bytes_out += member.sending.size();
  ring_->send(slot, member.sending);
}

// A timer whose client has sent a frame since is done: that frame carried the acknowledgement.
void Load::expire_acks() {
  while (!ack_timers_.empty()) {
    const AckTimer& timer = ack_timers_.front();
    Member& member = members_[timer.slot];
    const bool waits =
        member.client->frames_sent() == timer.frames_sent && member.client->ack_due();
    if (waits && timer.due > now_) return;
    if (waits) {
      member.ack_now = true;
      mark_dirty(timer.slot);
    }
    ack_timers_.pop_front();
  }
}

void Load::give_up(std::uint32_t slot, std::string why) {
  if (error_.empty()) error_ = "client " + std::to_string(slot) + ": " + std::move(why);
}

}  // namespace godwit::bench
