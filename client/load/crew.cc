// SPDX-License-Identifier: Apache-2.0
#include "client/load/crew.h"

#include <algorithm>
#include <utility>

namespace godwit::client::load {

namespace {

// Any number that the runs of two threads do not share.
std::uint64_t mix(std::uint64_t seed, std::uint32_t first) {
  return SeededRandom(seed ^ (std::uint64_t{first} << 32)).next_u64();
}

}  // namespace

void CrewLatencies::merge(const CrewLatencies& other) {
  arrival.merge(other.arrival);
  acceptance.merge(other.acceptance);
  login.merge(other.login);
}

Crew::Crew(const Options& options, LoadWire& wire, RandomSource& random)
    : options_(options),
      wire_(wire),
      random_(random),
      chance_(mix(options.seed, options.first)),
      payload_(options.payload_size, options.seed),
      members_(options.count) {
  for (std::uint32_t i = 0; i < options_.count; ++i) {
    Member& member = members_[i];
    member.keys = options_.identities.key_pair(options_.first + i);
    member.user = options_.identities.user(options_.first + i);
    member.recipient = options_.shape.recipient_of(i, options_.count);
    member.ledger.begin(options_.first_id);
    if (member.recipient != nobody) senders_.push_back(i);
  }
}

bool Crew::is(Who who, const Member& member) const {
  if (who == Who::all) return true;
  return (who == Who::senders) == (member.recipient != nobody);
}

CrewLatencies Crew::take_latencies() {
  return std::exchange(latencies_, CrewLatencies());
}

bool Crew::quiet() const {
  return !flowing_ && open_ == 0 && ack_timers_.empty() && dirty_.empty();
}

void Crew::on_bytes(std::uint32_t index, MutableBytes bytes, Instant now) {
  Member& member = members_[index];
  now_ = now;
  counters_.bytes_in += bytes.size();
  if (member.session == nullptr || member.state == State::leaving) return;
  current_ = index;
  came_ = 0;
  output_.clear();
  const auto read = member.session->on_bytes(bytes, output_, *this);
  if (!read) return set_fault(index, read.error().message);
  if (!output_.empty()) put_out(index, output_);
  if (came_ > 0 && member.session->ack_due()) {
    ack_timers_.push_back({now_ + options_.ack_delay, index, member.frames});
  }
}

std::size_t Crew::turn(Instant now) {
  now_ = now;
  leave_due();
  const std::size_t events = connect_due() + churn_due() + arrivals_due() + credits_due();
  expire_acks();
  flush();
  return events;
}

Instant Crew::next_deadline() const {
  Instant next = std::min(messages_.next(), churning_ ? churns_.next() : never);
  const bool may_try = coming_.handshakes == 0 || trying_ < coming_.handshakes;
  if (may_try && !queue_.empty()) {
    next = std::min(next, coming_.rate.per_second > 0 ? connects_.next() : now_);
  }
  if (may_try && !retries_.empty()) next = std::min(next, retries_.top().at);
  if (!ack_timers_.empty()) next = std::min(next, ack_timers_.front().due);
  if (!credits_.empty()) next = std::min(next, credits_.front().at);
  return dirty_.empty() ? next : now_;
}

void Crew::set_fault(std::uint32_t index, std::string what) {
  if (fault_.empty()) fault_ = "account " + members_[index].user + ": " + std::move(what);
}

}  // namespace godwit::client::load
