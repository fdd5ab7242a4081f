// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "client/load/crew.h"

// What members send each other, and the ledger of it.

namespace godwit::client::load {

namespace {

// Of the protocol's unacknowledged_max, with some left.
constexpr std::uint64_t unsettled_max = protocol::unacknowledged_max - 24;
// An acknowledgement does not wait for ack_delay when so many came.
constexpr std::uint64_t unacknowledged_max = protocol::ack_stanzas_max;
constexpr std::size_t arrivals_at_once = 4096;
// Memory is bounded: a server that falls so far behind is not measured any further.
constexpr std::uint64_t open_max = 16'000'000;
// Before the next message of a sender of which one was refused.
constexpr Duration refusal_pause = std::chrono::milliseconds(100);

}  // namespace

void Crew::start(const Flow& flow, Instant now) {
  now_ = now;
  flow_ = flow;
  flowing_ = true;
  flowing_senders_.clear();
  for (const std::uint32_t index : senders_) {
    if (index / options_.shape.group() % flow.every == 0) flowing_senders_.push_back(index);
    members_[index].started = 0;
  }
  if (flow.kind == Flow::Kind::open) {
    messages_ = Arrivals(flow.rate, now);
    return;
  }
  for (const std::uint32_t index : flowing_senders_) {
    for (std::uint32_t i = 0; i < flow.window; ++i) give_credit(index);
  }
}

void Crew::stop() {
  flowing_ = false;
  messages_ = Arrivals();
  credits_.clear();
}

std::uint64_t Crew::forget_unsent() {
  std::uint64_t forgotten = 0;
  for (const std::uint32_t index : senders_) {
    SenderLedger& ledger = members_[index].ledger;
    const std::uint64_t before = ledger.open();
    ledger.forget_unsent();
    forgotten += before - ledger.open();
  }
  forgotten_ += forgotten;
  open_ -= forgotten;
  return forgotten;
}

void Crew::give_credit(std::uint32_t index) {
  Member& member = members_[index];
  if (!flowing_ || member.recipient == nobody) return;
  if (flow_.each_max != 0 && member.started >= flow_.each_max) return;
  ++member.started;
  add_message(index, now_);
}

void Crew::add_message(std::uint32_t index, Instant due) {
  Member& member = members_[index];
  if (open_ == open_max) return set_fault(index, "16 million messages wait; too many are due");
  member.ledger.add(due);
  ++open_;
  ++counters_.due;
  if (member.state == State::ready) mark_dirty(index);
}

std::size_t Crew::arrivals_due() {
  std::size_t count = 0;
  for (; messages_.next() <= now_ && count < arrivals_at_once; ++count) {
    const std::size_t among = flowing_senders_.size();
    const std::uint32_t sender =
        flowing_senders_[flow_.rate.poisson ? chance_.below(among) : counters_.due % among];
    add_message(sender, messages_.next());
    messages_.advance(chance_);
  }
  return count;
}

std::size_t Crew::credits_due() {
  std::size_t count = 0;
  for (; !credits_.empty() && credits_.front().at <= now_; ++count) {
    const std::uint32_t index = credits_.front().member;
    credits_.pop_front();
    give_credit(index);
  }
  return count;
}

void Crew::on_message(const Message& message) {
  const auto number = options_.identities.number_of(message.from);
  const std::uint32_t sender = number ? *number - options_.first : nobody;
  const bool known = sender < members_.size() && members_[sender].recipient == current_;
  ++came_;
  if (message.id < options_.first_id) {
    ++counters_.from_before;
    return;
  }
  if (!known) return set_fault(current_, "a message from " + std::string(message.from));
  SenderLedger& ledger = members_[sender].ledger;
  const auto before = std::pair(ledger.missing(), ledger.open());
  const SenderLedger::Came came = ledger.arrive(message.id);
  if (came.arrival == Arrival::again) {
    ++counters_.arrived_again;
    return;
  }
  if (came.arrival != Arrival::fresh) {
    return set_fault(current_, "message " + std::to_string(message.id) + " of " +
                                   std::string(message.from) + ": " + to_text(came.arrival));
  }
  if (!payload_.is({message.id, *number}, message.payload)) {
    return set_fault(current_, "message " + std::to_string(message.id) + " of " +
                                   std::string(message.from) + ": not what was sent");
  }
  missing_ -= before.first - ledger.missing();
  open_ -= before.second - ledger.open();
  ++counters_.arrived;
  latencies_.arrival.record(now_ - came.due);
  if (members_[current_].session->unacknowledged() >= unacknowledged_max) {
    members_[current_].ack_now = true;
    mark_dirty(current_);
  }
  if (flow_.kind == Flow::Kind::closed) give_credit(sender);
  if (flow_.kind == Flow::Kind::reply) give_credit(current_);
}

void Crew::on_settled(std::uint64_t upto) {
  Member& member = members_[current_];
  const auto before = std::pair(member.ledger.missing(), member.ledger.open());
  std::uint64_t accepted = 0;
  member.ledger.settle(upto, [&](Instant due) {
    ++accepted;
    latencies_.acceptance.record(now_ - due);
  });
  counters_.accepted += accepted;
  missing_ += member.ledger.missing() - before.first;
  open_ -= before.second - member.ledger.open();
  if (member.held && member.session->settled()) {
    member.held = false;
    member.ack_now = true;
  }
  if (flow_.kind == Flow::Kind::stored) {
    for (; accepted > 0; --accepted) give_credit(current_);
  }
  if (member.ack_now || member.ledger.has_unsent()) mark_dirty(current_);
}

void Crew::on_refused(const Refusal& refusal) {
  Member& member = members_[current_];
  member.held = true;
  const std::uint64_t before = member.ledger.open();
  const bool again = refusal.condition == protocol::Condition::follows_refused;
  if (!(again ? member.ledger.send_again(refusal.id) : member.ledger.refuse(refusal.id))) {
    return set_fault(current_, "a refusal of message " + std::to_string(refusal.id) +
                                   ", which is not on its way");
  }
  open_ -= before - member.ledger.open();
  if (again) return;
  ++counters_.refused;
  credits_.push_back({now_ + refusal_pause, current_});
}

void Crew::mark_dirty(std::uint32_t index) {
  if (std::exchange(members_[index].dirty, true)) return;
  dirty_.push_back(index);
}

void Crew::on_writable(std::uint32_t index) {
  Member& member = members_[index];
  if (member.blocked.empty()) return;
  if (!wire_.send(index, member.blocked)) return;
  counters_.bytes_out += member.blocked.size();
  member.blocked.clear();
  mark_dirty(index);
}

void Crew::put_out(std::uint32_t index, Bytes bytes) {
  Member& member = members_[index];
  if (member.blocked.empty() && wire_.send(index, bytes)) {
    counters_.bytes_out += bytes.size();
    return;
  }
  member.blocked.insert(member.blocked.end(), bytes.begin(), bytes.end());
}

void Crew::flush() {
  flushing_.swap(dirty_);
  for (const std::uint32_t index : flushing_) {
    members_[index].dirty = false;
    flush_member(index);
  }
  flushing_.clear();
}

void Crew::flush_member(std::uint32_t index) {
  Member& member = members_[index];
  output_.clear();
  while (member.state == State::ready && member.blocked.empty()) {
    LoadSession& session = *member.session;
    const bool messages =
        !member.held && member.ledger.has_unsent() && session.unsettled() < unsettled_max;
    const bool ack = session.ack_due() && !member.held && (messages || member.ack_now);
    if (!messages && !ack) break;
    ByteWriter plain(plain_);
    // First, because messages that follow a refusal count only after its confirmation.
    if (ack) GODWIT_CHECK(session.add_ack(plain));
    member.ack_now = false;
    const unsigned written = messages ? write_messages(index, plain) : 0;
    session.seal(plain.written(), output_);
    ++member.frames;
    ++counters_.frames_out;
    counters_.sent += written;
    if (written == 0) ++counters_.ack_frames_out;
  }
  if (!output_.empty()) put_out(index, output_);
}

unsigned Crew::write_messages(std::uint32_t index, ByteWriter& plain) {
  Member& member = members_[index];
  LoadSession& session = *member.session;
  unsigned written = 0;
  while (member.ledger.has_unsent() && session.unsettled() < unsettled_max) {
    const std::uint64_t id = member.ledger.next_unsent();
    const std::uint32_t number =
        session.add_message(plain, {.id = id,
                                    .to = members_[member.recipient].user,
                                    .payload = payload_.make({id, options_.first + index})});
    if (number == 0) break;
    if (member.ledger.sent(number)) ++counters_.sent_again;
    ++written;
  }
  return written;
}

// A timer whose member has sent a frame since is done: that frame carried the acknowledgement.
void Crew::expire_acks() {
  while (!ack_timers_.empty()) {
    const AckTimer& timer = ack_timers_.front();
    Member& member = members_[timer.member];
    const bool waits =
        member.state == State::ready && member.frames == timer.frames && member.session->ack_due();
    if (waits && timer.due > now_) return;
    if (waits) {
      member.ack_now = true;
      mark_dirty(timer.member);
    }
    ack_timers_.pop_front();
  }
}

}  // namespace godwit::client::load
