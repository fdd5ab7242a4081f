// SPDX-License-Identifier: Apache-2.0
#include "dataplane/home.h"

#include <utility>

namespace godwit::dataplane {

using queues::Command;
using queues::CommandKind;
using queues::Mailbox;
using queues::StoreReplyKind;

Home::Home(const Options& options)
    : options_(options),
      settings_(options.settings),
      port_(options.port),
      counters_(options.counters),
      refusals_(options.settings.refusals_max),
      sequence_floor_(options.sequence_base) {
  wheel_.advance(options.start, [](Timer) {});
}

// Parked commands own their buffers by contract only, so they are given back by hand.
Home::~Home() {
  for (std::uint32_t i = 1; i < accounts_.end(); ++i) {
    if (accounts_[i].generation == 0 || !accounts_[i].parked) continue;
    for (Command& command : *accounts_[i].parked) command.take_buffer();
  }
}

void Home::handle(const Command& command, Now now) {
  now_ = now.instant;
  switch (command.kind) {
    case CommandKind::message:
    case CommandKind::relay: {
      const auto user = queues::read_envelope(Bytes{command.buffer->data(), command.buffer->size});
      return route(command, user.to_user, now);
    }
    case CommandKind::attach: {
      const auto request =
          queues::decode_attach_request(Bytes{command.buffer->data(), command.buffer->size});
      return route(command, request.user, now);
    }
    case CommandKind::detach:
      return detach(command.mailbox(), command.session, now);
    case CommandKind::acknowledge:
    case CommandKind::window: {
      // A stale name or a replaced session: the device names what it has when it attaches again.
      Mailbox* mailbox = mailboxes_.find(command.mailbox());
      if (mailbox == nullptr || mailbox->session != command.session) return;
      if (command.kind == CommandKind::window) {
        mailbox->window = static_cast<std::uint16_t>(command.number);
      } else {
        acknowledge(*mailbox, command.sequence);
      }
      return pump(command.mailbox(), *mailbox, now);
    }
    case CommandKind::account_found:
      return on_account_found(command, now);
    case CommandKind::account_missing:
      return on_account_missing(command, now);
    case CommandKind::account_changed:
      return on_account_changed(command, now);
    case CommandKind::account_removed:
      return on_account_removed(command, now);
    case CommandKind::admin_query:
      return on_admin_query(command, now);
    default:
      broken_invariant("a home got a command that is not for homes", __FILE__, __LINE__);
  }
}

void Home::handle(queues::StoreReply reply, Now now) {
  now_ = now.instant;
  switch (reply.kind) {
    case StoreReplyKind::committed:
      return on_committed(reply, now);
    case StoreReplyKind::failed:
      return on_failed(reply, now);
    case StoreReplyKind::loaded:
      return on_loaded(reply, now);
    case StoreReplyKind::load_end:
    case StoreReplyKind::load_failed:
      return on_load_end(reply, now);
    case StoreReplyKind::summary:
    case StoreReplyKind::summary_end:
    case StoreReplyKind::summary_failed:
      return on_summary(reply, now);
  }
}

std::size_t Home::expire(Now now) {
  now_ = now.instant;
  return wheel_.advance(now.instant, [&](Timer timer) { on_timer(timer.mailbox, now); });
}

void Home::publish_gauges() {
  counters_.set(queues::ShardMetric::accounts_loaded, accounts_.used());
  counters_.set(queues::ShardMetric::mailboxes_loaded, mailboxes_.mailboxes_used());
  counters_.set(queues::ShardMetric::messages_in_memory, mailboxes_.entries_used());
  counters_.set(queues::ShardMetric::messages_at_risk, unsafe_);
  counters_.set(queues::ShardMetric::memory_accounts, accounts_.memory_bytes());
  counters_.set(queues::ShardMetric::memory_mailboxes, mailboxes_.mailboxes_memory_bytes());
  counters_.set(queues::ShardMetric::memory_entries, mailboxes_.entries_memory_bytes());
  counters_.set(queues::ShardMetric::memory_records, mailboxes_.records_memory_bytes());
}

}  // namespace godwit::dataplane
