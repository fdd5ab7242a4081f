// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "control/control.h"

// Registrations: all of a turn in one transaction, answered once it is durable.

namespace godwit::control {
namespace {

using queues::Command;
using queues::CommandKind;

constexpr Refusal too_many{protocol::Condition::resource_constraint,
                           "too many registrations at the moment; try again later"};
constexpr Refusal cannot_store{protocol::Condition::internal_server_error,
                               "the server cannot store accounts at the moment; try again later"};
constexpr Refusal disk_full{protocol::Condition::resource_constraint,
                            "the server has no space for accounts at the moment; try again later"};

}  // namespace

struct Control::Asked {
  Command command{};
  std::string user;
  std::expected<RegisteredDevice, Refusal> decision;
};

std::size_t Control::register_waiting(Now now) {
  if (registrations_.empty()) return 0;
  const std::size_t count = registrations_.size();
  std::vector<Asked> asked;
  for (Command& command : registrations_) {
    if (registration_bucket_.take({options_.registration.per_second, options_.registration.burst},
                                  now.instant)) {
      asked.push_back({.command = command, .decision = std::unexpected(cannot_store)});
    } else {
      counters_.add(ControlMetric::registrations_limited);
      refuse_registration(command, too_many);
      command.take_buffer();
    }
  }
  registrations_.clear();
  if (!asked.empty()) {
    const bool durable = decide_waiting(asked, now);
    note_store(!durable);
    counters_.set(ControlMetric::accounts, options_.accounts.account_count());
  }
  for (Asked& each : asked) {
    answer_registration(each);
    each.command.take_buffer();
  }
  return count;
}

// False when nothing of it could be stored; every decision then says so.
bool Control::decide_waiting(std::vector<Asked>& asked, Now now) {
  Result<void> stored = options_.accounts.begin_batch();
  if (stored) {
    for (Asked& each : asked) {
      const queues::RegisterRequest request =
          queues::decode_register_request({each.command.buffer->data(), each.command.buffer->size});
      each.user = request.user;
      auto decision = options_.accounts.register_device({.user = request.user,
                                                         .invite = request.invite,
                                                         .client = request.client,
                                                         .key = request.key},
                                                        options_.registration.mode, now.wall);
      if (!decision) break;
      each.decision = *decision;
    }
    stored = options_.accounts.commit_batch();
  }
  if (stored) return true;
  for (Asked& each : asked) {
    each.decision =
        std::unexpected(stored.error().code == ErrorCode::full ? disk_full : cannot_store);
  }
  counters_.add(ControlMetric::registrations_failed, asked.size());
  return false;
}

void Control::answer_registration(const Asked& asked) {
  if (!asked.decision) {
    const bool by_rule = asked.decision.error().condition != cannot_store.condition &&
                         asked.decision.error().condition != disk_full.condition;
    if (by_rule) counters_.add(ControlMetric::registrations_refused);
    return refuse_registration(asked.command, asked.decision.error());
  }
  counters_.add(asked.decision->added ? ControlMetric::registrations_accepted
                                      : ControlMetric::registrations_repeated);
  if (asked.decision->added) announce(asked.user);
  post(asked.command.session.shard, {.kind = CommandKind::registered,
                                     .device = asked.decision->device,
                                     .session = asked.command.session});
}

void Control::refuse_registration(const Command& command, const Refusal& refusal) {
  // The sentence is a help; without memory for it the condition goes alone.
  queues::Buffer text = options_.pool.copy(as_bytes(refusal.text));
  post(command.session.shard, {.kind = CommandKind::register_refused,
                               .detail = static_cast<std::uint8_t>(refusal.condition),
                               .session = command.session,
                               .buffer = text.release()});
}

}  // namespace godwit::control
