// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <algorithm>
#include <utility>

#include "client/client.h"
#include "client/explain.h"

// What a client does about what its connection and its sealer tell, and the loop for those who have
// none.

namespace godwit::client {

using protocol::Condition;

namespace {

constexpr Duration longest_retry_after = std::chrono::minutes(10);

}  // namespace

Result<void> Client::handle(std::vector<Event>& events, Now now) {
  std::vector<State::Incoming> incoming;
  bool backlog_ended = false;
  Result<void> result{};
  for (Event& event : events) {
    if (auto* delivered = std::get_if<Delivered>(&event)) {
      const auto time = now.wall - std::chrono::seconds(delivered->delay_s);
      incoming.push_back({.from = std::move(delivered->from),
                          .id = delivered->id,
                          .sequence = delivered->sequence,
                          .time_ms = time.time_since_epoch().count(),
                          .payload = std::move(delivered->payload)});
    } else if (std::holds_alternative<BacklogEnd>(event)) {
      backlog_ended = true;
    } else {
      result = on_event(event, now);
      if (!result || (!transport_ && std::holds_alternative<StreamEnded>(event))) break;
    }
  }
  if (!incoming.empty()) {
    if (auto stored = store(incoming); !stored) return stored;
  }
  if (backlog_ended) events_.backlog_ended();
  return result;
}

Result<void> Client::on_event(Event& event, Now now) {
  if (const auto* trusted = std::get_if<ServerTrusted>(&event)) return on_trusted(*trusted);
  if (const auto* registered = std::get_if<Registered>(&event)) {
    return on_registered(registered->device);
  }
  if (std::holds_alternative<SessionReady>(event)) {
    ready_at_ = now.instant;
    trouble_.clear();
    return sealer_->on_session(now);
  }
  if (const auto* settled = std::get_if<Settled>(&event)) return on_settled(settled->upto);
  if (const auto* listed = std::get_if<Listed>(&event)) return on_listed(*listed, now);
  if (const auto* refused = std::get_if<Refused>(&event)) return on_refused(*refused);
  if (const auto* answered = std::get_if<Answered>(&event)) {
    return sealer_->on_answer(answered->id, answered->refused, answered->node, now);
  }
  if (const auto* noticed = std::get_if<Noticed>(&event)) {
    return sealer_->on_notice(noticed->node, now);
  }
  if (const auto* ended = std::get_if<StreamEnded>(&event)) return on_stream_ended(*ended, now);
  return {};
}

Result<void> Client::store(const std::vector<State::Incoming>& incoming) {
  const auto stored = sealer_->store(incoming);
  if (!stored) return std::unexpected(stored.error());
  std::uint64_t last = 0;
  for (const State::Incoming& message : incoming) last = std::max(last, message.sequence);
  if (connection_) connection_->acknowledge(last);
  if (*stored > 0) events_.received();
  return {};
}

Result<void> Client::seal(Now now) {
  if (!connection_ || !connection_->ready()) return {};
  const auto work = sealer_->work(now);
  if (!work) return std::unexpected(work.error());
  for (const Question& question : work->questions) {
    connection_->ask(question.id, question.set, question.node);
  }
  outbox_unsent_ = outbox_unsent_ || work->outbox_grew;
  unsettled_ -= work->unsendable.size() + work->accepted.size();
  for (const std::uint64_t message : work->accepted) events_.accepted(message);
  for (const Unsendable& one : work->unsendable) events_.refused(one.message, one.why);
  if (work->inbox_grew) events_.received();
  return {};
}

Result<void> Client::on_trusted(const ServerTrusted& trusted) {
  const bool first = !identity_->operator_key;
  if (!first && identity_->node_key == trusted.node_key) return {};
  identity_->operator_key = trusted.operator_key;
  identity_->node_key = trusted.node_key;
  if (auto saved = state_->save_identity(*identity_); !saved) return saved;
  if (first) events_.trusted(trusted.operator_key);
  return {};
}

Result<void> Client::on_registered(std::uint16_t device) {
  identity_->jid.device = device;
  registering_ = false;
  if (auto saved = state_->save_identity(*identity_); !saved) return saved;
  events_.registered(device);
  return {};
}

Result<void> Client::on_settled(std::uint64_t upto) {
  std::vector<std::uint64_t> accepted;
  std::vector<std::uint64_t> gone;
  while (!in_flight_.empty() && in_flight_.front().number <= upto) {
    const InFlight& first = in_flight_.front();
    if (!first.refused) (first.gone ? gone : accepted).push_back(first.id);
    in_flight_.pop_front();
  }
  // Erased before the application is told: a crash in between tells it nothing, and nothing is sent
  // again.
  for (const std::uint64_t id : gone) {
    const std::string why = explain(Refused{.condition = Condition::item_not_found});
    if (auto given_up = give_up(id, why); !given_up) return given_up;
  }
  if (accepted.empty()) return {};
  const auto settled = state_->erase_accepted(accepted);
  if (!settled) return std::unexpected(settled.error());
  unsettled_ -= settled->size();
  for (const std::uint64_t id : *settled) events_.accepted(id);
  return {};
}

Result<void> Client::on_listed(const Listed& listed, Now now) {
  const auto found = std::ranges::find(in_flight_, listed.list.number, &InFlight::number);
  if (found == in_flight_.end() || found->refused) return {};
  found->gone = listed.list.gone;
  return sealer_->on_device_list(found->id, found->to, listed.list, now);
}

// From here on nothing new is sent until everything under way is answered: then the refusals are
// confirmed and what only followed them is sent again, in order and under the same ids.
Result<void> Client::on_refused(const Refused& refused) {
  const auto found = std::ranges::find(in_flight_, refused.number, &InFlight::number);
  if (found == in_flight_.end() || found->refused) return {};
  found->refused = true;
  holding_ = true;
  refusal_to_confirm_ = std::max(refusal_to_confirm_, refused.number);
  if (refused.condition == Condition::follows_refused) return {};
  if (refused.condition == Condition::item_not_found) {
    if (auto told = sealer_->on_device_gone(found->to); !told) return told;
  }
  return give_up(found->id, explain(refused));
}

Result<void> Client::give_up(std::uint64_t id, const std::string& why) {
  const auto settled = state_->erase_refused(id);
  if (!settled) return std::unexpected(settled.error());
  if (!*settled) return {};
  --unsettled_;
  if ((*settled)->accepted) {
    events_.accepted((*settled)->message);
  } else {
    events_.refused((*settled)->message, why);
  }
  return {};
}

Result<void> Client::on_stream_ended(const StreamEnded& ended, Now now) {
  const std::string text = ended.text.empty() ? "" : ": " + ended.text;
  disconnect(now, "the gateway ended the session (" +
                      std::string(protocol::to_text(ended.condition)) + ")" + text);
  if (ended.retry_after_ms > 0) {
    const Duration wait = std::chrono::milliseconds(ended.retry_after_ms);
    connect_at_ = now.instant + std::min(wait, longest_retry_after);
  }
  return may_reconnect(ended, registering_, identity_->jid.domain);
}

Result<bool> Client::run(const std::function<bool()>& done, Instant until) {
  for (;;) {
    Now now = read_clocks();
    if (auto advanced = advance(now); !advanced) return std::unexpected(advanced.error());
    if (done()) return true;
    now = read_clocks();
    if (now.instant >= until) return false;
    const Instant next = std::min(deadline(), until);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now.instant);
    pollfd ready{.fd = descriptor(), .events = POLLIN, .revents = 0};
    if (wants_write()) ready.events |= POLLOUT;
    const auto wait_ms = std::clamp<std::int64_t>(wait.count(), 0, 1000);
    ::poll(&ready, ready.fd >= 0 ? 1 : 0, static_cast<int>(wait_ms));
  }
}

}  // namespace godwit::client
