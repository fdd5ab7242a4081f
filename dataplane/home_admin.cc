// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "dataplane/home.h"

// What an operator asks of a home.

namespace godwit::dataplane {

using queues::AdminQuery;
using queues::Command;
using queues::CommandKind;
using queues::Mailbox;

// A purge names an account of this home, which may have to be loaded first; the other questions are
// for every home.
void Home::on_admin_query(Command command, Now now) {
  const auto query = static_cast<AdminQuery>(command.detail);
  if (query == AdminQuery::purge) {
    const auto jid =
        protocol::parse_jid(as_text(Bytes{command.buffer->data(), command.buffer->size}));
    GODWIT_CHECK(jid.has_value());
    return route(command, jid->user, now);
  }
  const queues::Buffer argument = command.take_buffer();
  if (query == AdminQuery::queues) {
    const auto jid = protocol::parse_jid(as_text(argument.bytes()));
    jid ? list_queues_of(command.id, jid->user) : list_queues(command.id);
  }
  end_query(command.id, command.number);
}

void Home::end_query(std::uint64_t query, std::uint32_t affected) {
  port_.answer(options_.control, {.kind = CommandKind::admin_end, .number = affected, .id = query});
}

void Home::list_queues(std::uint64_t query) {
  constexpr std::size_t rows_max = 100;
  struct Depth {
    std::uint64_t messages;
    std::uint32_t index;
  };
  std::vector<Depth> depths;
  for (std::uint32_t i = 1; i < mailboxes_.end(); ++i) {
    const Mailbox& mailbox = mailboxes_.at(i);
    const std::uint64_t messages = std::uint64_t{mailbox.unstored} + mailbox.store().count;
    if (mailbox.generation != 0 && messages > 0) depths.push_back({messages, i});
  }
  const std::size_t rows = std::min(rows_max, depths.size());
  std::ranges::partial_sort(depths, depths.begin() + static_cast<std::ptrdiff_t>(rows),
                            std::ranges::greater{}, &Depth::messages);
  depths.resize(rows);
  for (const Depth& depth : depths) post_queue(query, mailboxes_.at(depth.index));
}

// Of an account that is loaded; empty ones too.
void Home::list_queues_of(std::uint64_t query, std::string_view user) {
  for (std::uint32_t i = 1; i < mailboxes_.end(); ++i) {
    const Mailbox& mailbox = mailboxes_.at(i);
    if (mailbox.generation != 0 && account_of(mailbox).user.view() == user) {
      post_queue(query, mailbox);
    }
  }
}

void Home::post_queue(std::uint64_t query, const Mailbox& mailbox) {
  const queues::QueueRow row{.user = std::string(account_of(mailbox).user.view()),
                             .device = mailbox.device,
                             .connected = mailbox.connected(),
                             .in_memory = mailbox.count,
                             .in_store = mailbox.store().count,
                             .bytes = mailbox.memory_bytes + mailbox.store().bytes};
  queues::Buffer buffer = encode(options_.pool, row);
  if (!buffer) return;
  port_.post(options_.control,
             {.kind = CommandKind::admin_row, .id = query, .buffer = buffer.release()});
}

// Drops what waits for one device. Senders of what was not safe yet are told; of what was stored,
// they were told that it is accepted: an operator's decision against promise 1.
void Home::purge(std::uint32_t index, Command command) {
  const queues::Buffer argument = command.take_buffer();
  Account& account = accounts_[index];
  const std::uint32_t device =
      find_device(account, protocol::parse_jid(as_text(argument.bytes()))->device);
  if (device == 0) return end_query(command.id, 0);
  Mailbox& mailbox = mailboxes_.at(device);
  const std::uint32_t messages = mailbox.unstored + mailbox.store().count;
  while (mailbox.head != 0) {
    refuse_entry(mailbox, mailbox.head, protocol::Condition::recipient_unavailable);
  }
  if (mailbox.held) {
    mailbox.held->count = 0;
    mailbox.held->bytes = 0;
    mailbox.held->next = 0;
    mailbox.forget_empty_store();
  }
  post_store(account.hash, {.kind = queues::StoreRequestKind::purge,
                            .device = mailbox.device,
                            .account_id = account.account_id});
  end_query(command.id, messages);
}

}  // namespace godwit::dataplane
