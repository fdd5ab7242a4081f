// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "client/load/crew.h"

// How members come, go and come back.

namespace godwit::client::load {

using protocol::StreamCondition;

namespace {

// Of one turn, so that those that have a session are not kept waiting.
constexpr std::size_t attempts_at_once = 32;
// As client/client.cc has it.
constexpr Duration backoff_first = std::chrono::milliseconds(100);
constexpr Duration backoff_max = std::chrono::seconds(30);

bool passes(StreamCondition condition) {
  switch (condition) {
    case StreamCondition::resource_constraint:
    case StreamCondition::system_shutdown:
    case StreamCondition::connection_timeout:
    case StreamCondition::internal_server_error:
    case StreamCondition::conflict:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Crew::want(Who who, const Coming& coming, Instant now) {
  now_ = now;
  coming_ = coming;
  connects_ = Arrivals(coming.rate, now);
  const auto end = static_cast<std::uint32_t>(coming.part * static_cast<double>(members_.size()));
  for (std::uint32_t i = 0; i < end; ++i) {
    Member& member = members_[i];
    if (member.wanted || !is(who, member)) continue;
    member.wanted = true;
    ++wanted_;
    if (member.state == State::away) queue_.push_back(i);
  }
}

void Crew::dismiss(Who who) {
  for (std::uint32_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    if (!member.wanted || !is(who, member)) continue;
    member.wanted = false;
    --wanted_;
    if (member.state == State::waiting) member.state = State::away;
    if (member.state == State::ready) leave(i, true);
    if (member.state == State::opening || member.state == State::greeting) leave(i, false);
  }
}

void Crew::churn(const Arrivals::Options& rate, Instant now) {
  churning_ = rate.per_second > 0;
  churns_ = Arrivals(rate, now);
}

std::size_t Crew::connect_due() {
  std::size_t attempts = 0;
  const auto may_try = [&] {
    return attempts < attempts_at_once && (coming_.handshakes == 0 || trying_ < coming_.handshakes);
  };
  while (!retries_.empty() && retries_.top().at <= now_ && may_try()) {
    const Retry retry = retries_.top();
    retries_.pop();
    const Member& member = members_[retry.member];
    if (member.state != State::waiting || member.retry_at != retry.at) continue;
    begin_attempt(retry.member, retry.at);
    ++attempts;
  }
  while (!queue_.empty() && may_try()) {
    Instant due = now_;
    if (coming_.rate.per_second > 0) {
      if (connects_.next() > now_) break;
      due = connects_.next();
      connects_.advance(chance_);
    }
    const std::uint32_t index = queue_.front();
    queue_.pop_front();
    if (!members_[index].wanted || members_[index].state != State::away) continue;
    begin_attempt(index, due);
    ++attempts;
  }
  return attempts;
}

void Crew::begin_attempt(std::uint32_t index, Instant due) {
  Member& member = members_[index];
  if (std::exchange(member.first_try, false)) member.began = due;
  member.wait = own_wait;
  ++counters_.connects;
  if (!wire_.open(index)) {
    ++counters_.connects_failed;
    return try_later(index, own_wait);
  }
  member.state = State::opening;
  member.trying = true;
  ++trying_;
}

void Crew::try_later(std::uint32_t index, Duration wait) {
  Member& member = members_[index];
  if (wait == own_wait) {
    const Duration most =
        std::min(backoff_first * (1 << std::min<int>(member.failures, 16)), backoff_max);
    wait = Duration(chance_.below(static_cast<std::uint64_t>(most.count())));
    if (member.failures < UINT8_MAX) ++member.failures;
  }
  member.state = State::waiting;
  member.retry_at = now_ + wait;
  retries_.push({member.retry_at, index});
}

void Crew::stop_trying(Member& member) {
  if (!member.trying) return;
  member.trying = false;
  --trying_;
}

void Crew::on_opened(std::uint32_t index, Instant now) {
  Member& member = members_[index];
  now_ = now;
  if (member.state != State::opening) return;
  member.state = State::greeting;
  member.connected = true;
  ++connections_;
  const bool registers = member.must_register || coming_.register_first || some_unregistered_;
  output_.clear();
  member.session = std::make_unique<LoadSession>(
      LoadSession::Options{.identity = member.keys,
                           .user = member.user,
                           .domain = options_.domain,
                           .device = member.device,
                           .last_sequence = member.last_sequence,
                           .goal = registers && !member.registered
                                       ? LoadSession::Goal::register_first
                                       : LoadSession::Goal::log_in},
      output_, random_);
  put_out(index, output_);
}

void Crew::on_registered(std::uint16_t device) {
  Member& member = members_[current_];
  ++counters_.registrations;
  member.device = device;
  member.registered = true;
}

void Crew::on_ready(std::uint64_t) {
  Member& member = members_[current_];
  stop_trying(member);
  member.state = State::ready;
  member.failures = 0;
  member.first_try = true;
  member.registered = true;
  member.held = false;
  ++ready_;
  ++counters_.logins;
  latencies_.login.record(now_ - member.began);
  if (coming_.leave) leaving_.push_back(current_);
  mark_dirty(current_);
}

void Crew::on_end(const End& end) {
  Member& member = members_[current_];
  const bool unknown = end.condition == StreamCondition::not_authorized && !member.registered &&
                       !member.must_register;
  if (member.state == State::ready) {
    ++counters_.connections_lost;
    --ready_;
  } else if (unknown) {
    // Not registered, as it seems; neither are the others then.
    member.must_register = some_unregistered_ = true;
    member.wait = Duration::zero();
  } else {
    ++counters_.logins_refused;
    const bool taken = end.condition == StreamCondition::conflict && !member.registered &&
                       (member.must_register || some_unregistered_ || coming_.register_first);
    if (end.retry_after_ms == 0 && (taken || !passes(end.condition))) {
      set_fault(current_,
                "the gateway refuses it: " + std::string(protocol::to_text(end.condition)) + " " +
                    std::string(end.text));
    }
  }
  if (end.retry_after_ms > 0) {
    ++counters_.told_to_wait;
    member.wait = std::chrono::milliseconds(end.retry_after_ms);
  }
  stop_trying(member);
  member.state = State::leaving;
  wire_.close(current_, false);
}

void Crew::leave(std::uint32_t index, bool politely) {
  Member& member = members_[index];
  if (member.state == State::ready) {
    --ready_;
    ++counters_.left;
  }
  if (politely && member.blocked.empty()) {
    ByteWriter plain(plain_);
    if (member.session->ack_due()) GODWIT_CHECK(member.session->add_ack(plain));
    member.session->add_bye(plain);
    output_.clear();
    member.session->seal(plain.written(), output_);
    put_out(index, output_);
  }
  stop_trying(member);
  member.state = State::leaving;
  wire_.close(index, !politely);
}

void Crew::on_closed(std::uint32_t index, Instant now) {
  Member& member = members_[index];
  now_ = now;
  stop_trying(member);
  if (member.state == State::ready) {
    --ready_;
    ++counters_.connections_lost;
  } else if (member.state != State::leaving) {
    ++counters_.connects_failed;
  }
  if (member.connected) --connections_;
  member.connected = false;
  if (member.session != nullptr) member.last_sequence = member.session->last_sequence();
  member.session.reset();
  member.blocked = {};
  member.ledger.disconnected();
  member.ack_now = member.held = false;
  member.state = State::away;
  if (member.wanted) try_later(index, member.wait);
}

void Crew::leave_due() {
  for (const std::uint32_t index : leaving_) {
    Member& member = members_[index];
    if (member.state != State::ready || !member.wanted) continue;
    member.wanted = false;
    --wanted_;
    leave(index, true);
  }
  leaving_.clear();
}

std::size_t Crew::churn_due() {
  std::size_t gone = 0;
  while (churning_ && churns_.next() <= now_ && gone < attempts_at_once) {
    churns_.advance(chance_);
    const auto index = static_cast<std::uint32_t>(chance_.below(members_.size()));
    if (members_[index].state != State::ready) continue;
    constexpr std::uint64_t away_ns_max = 1'000'000'000;
    members_[index].wait = Duration(chance_.below(away_ns_max));
    leave(index, chance_.below(2) == 0);
    ++gone;
  }
  return gone;
}

}  // namespace godwit::client::load
